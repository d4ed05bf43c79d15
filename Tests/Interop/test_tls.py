"""TLS on the client port: certificates good and bad, seen by openssl's and Go's clients."""

import datetime
import ipaddress
import os
import socket
import ssl
import subprocess
import time

import grpc
import harness
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self.builder(self.subject, self.key.public_key(), 0, 10).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.path = self.write(f"{name}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def builder(self, subject, key, first_day, last_day):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=first_day))
            .not_valid_after(now + datetime.timedelta(days=last_day)))

    def issue(self, name, common_name="someone", hosts=("localhost",), first_day=-1, last_day=5, address="127.0.0.1"):
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(host) for host in hosts] + [x509.IPAddress(ipaddress.ip_address(address))]
        name_attribute = (NameOID.COMMON_NAME, common_name) if common_name else (NameOID.ORGANIZATION_NAME, "someone")
        subject = x509.Name([x509.NameAttribute(*name_attribute)])
        certificate = (
            self.builder(subject, key.public_key(), first_day, last_day)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256()))
        pem, encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return (
            self.write(f"{name}.crt", certificate.public_bytes(pem)),
            self.write(f"{name}.key", key.private_bytes(pem, encoding, serialization.NoEncryption())), certificate)

    def revoke(self, certificate):
        now = datetime.datetime.now(datetime.timezone.utc)
        revoked = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
        crl = (
            x509.CertificateRevocationListBuilder().issuer_name(self.subject).last_update(now)
            .next_update(now + datetime.timedelta(days=1)).add_revoked_certificate(revoked).sign(self.key, hashes.SHA256()))
        return self.write("crl.pem", crl.public_bytes(serialization.Encoding.DER))


class SecureMember(harness.Member):
    """A member that is asked for its health by a client with a certificate."""

    ca = certificate = None

    def arguments(self):
        return [text.replace(f"http://127.0.0.1:{self.client}", f"https://127.0.0.1:{self.client}") for text in super().arguments()]

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        self.starts = getattr(self, "starts", 0) + 1
        while time.monotonic() < end and self.log().count('"msg":"serving client traffic') < self.starts:
            if self.process.poll() is not None:
                raise AssertionError(self.log_tail())
            time.sleep(0.02)


def etcdctl(member, ca=None, certificate=None, arguments=("put", "a", "1"), insecure=False):
    command = [harness.go_program("etcdctl"), "--endpoints", f"https://127.0.0.1:{member.client}", "--command-timeout", "2s", "--dial-timeout", "2s"]
    if ca:
        command += ["--cacert", ca]
    if certificate:
        command += ["--cert", certificate[0], "--key", certificate[1]]
    if insecure:
        command += ["--insecure-skip-tls-verify", "--insecure-transport=false"]
    return subprocess.run(command + list(arguments), capture_output=True, text=True, timeout=20)


def own_etcdctl(member, *arguments):
    """The output of ours, which believes any certificate."""
    if not os.environ.get("CTL_UNDER_TEST"):
        pytest.skip("CTL_UNDER_TEST names no etcdctl to test")
    command = [os.environ["CTL_UNDER_TEST"], "--endpoints", f"https://localhost:{member.client}", "--insecure-skip-tls-verify", "--insecure-transport=false"]
    done = subprocess.run(command + list(arguments), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(member, **options):
    """The certificate a client is shown, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"])
    if "maximum" in options:
        context.maximum_version = options["maximum"]
    with socket.create_connection(("127.0.0.1", member.client), timeout=5) as raw, context.wrap_socket(raw) as wrapped:
        return wrapped.getpeercert(True), wrapped.selected_alpn_protocol(), wrapped.version()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_server_certificate(tmp_path, authority):
    server = authority.issue("server")
    with SecureMember(tmp_path / "m", extra=["--cert-file", server[0], "--key-file", server[1]]) as member:
        assert etcdctl(member, authority.path).stdout == "OK\n"
        assert etcdctl(member, Authority(tmp_path, "other").path).returncode != 0
        assert shown(member, alpn=["h2"])[1] == "h2" and shown(member, alpn=["http/1.1"])[1] == "http/1.1"
        done = subprocess.run(["curl", "-s", "--cacert", authority.path, f"https://127.0.0.1:{member.client}/health"], capture_output=True, text=True)
        assert '"health":"true"' in done.stdout
        # Plain text at a TLS port, and half a handshake: a line in the log, and the member lives.
        with socket.create_connection(("127.0.0.1", member.client)) as raw:
            raw.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            raw.settimeout(5)
            assert not raw.recv(100).startswith(b"HTTP/1.1 200")
        rejections = [line for line in member.log().splitlines() if "rejected connection on client endpoint" in line]
        # Of the client with another authority, and of the plain text; who only looks whether somebody listens is neither.
        assert all("tls: " in line or "connection reset" in line for line in rejections) and ".cc:" not in member.log()
        assert '"error":"tls: first record does not look like a TLS handshake"' in rejections[-1]
        assert any('"error":"remote error: tls: ' in line for line in rejections)
        for piece in (b"", b"\x16\x03"):
            with socket.create_connection(("127.0.0.1", member.client)) as raw:
                raw.sendall(piece)
        assert shown(member, alpn=["h2"])[1] == "h2"
        assert member.log().count("rejected connection on client endpoint") == len(rejections)
        assert "serving client traffic securely" in member.log()
        # A renewed certificate is shown without a restart.
        renewed = authority.issue("server", common_name="renewed")
        assert shown(member)[0] == renewed[2].public_bytes(serialization.Encoding.DER)
        assert etcdctl(member, authority.path).stdout == "OK\n"


def test_client_certificates(tmp_path, authority):
    server, client, revoked = authority.issue("server"), authority.issue("client"), authority.issue("revoked")
    crl = authority.revoke(revoked[2])
    extra = ["--cert-file", server[0], "--key-file", server[1], "--client-cert-auth", "--trusted-ca-file", authority.path, "--client-crl-file", crl]
    with SecureMember(tmp_path / "m", extra=extra) as member:
        assert etcdctl(member, authority.path, client).stdout == "OK\n"
        strangers = {
            "nobody": None, "another authority's": Authority(tmp_path, "other").issue("stranger"), "revoked": revoked,
            "expired": authority.issue("expired", first_day=-9, last_day=-2), "early": authority.issue("early", first_day=2),
        }
        for name, certificate in strangers.items():
            before = member.log().count("rejected connection on client endpoint")
            assert etcdctl(member, authority.path, certificate).returncode != 0, name
            assert member.log().count("rejected connection on client endpoint") > before, name
        assert "revoked" in member.log()
        for reason in ("tls: client didn't provide a certificate", "tls: failed to verify certificate"):
            assert f'"error":"{reason}"' in member.log()
        assert etcdctl(member, authority.path, client).stdout == "OK\n"


def test_allowed_hostname(tmp_path, authority):
    server = authority.issue("server")
    inside, outside = authority.issue("inside", hosts=["a.example.com"]), authority.issue("outside", hosts=["b.example.org"])
    extra = ["--cert-file", server[0], "--key-file", server[1], "--client-cert-auth", "--trusted-ca-file", authority.path,
             "--client-cert-allowed-hostname", "a.example.com"]
    with SecureMember(tmp_path / "m", extra=extra) as member:
        assert etcdctl(member, authority.path, inside).stdout == "OK\n"
        assert etcdctl(member, authority.path, outside).returncode != 0


def test_versions(tmp_path, authority):
    server = authority.issue("server")
    extra = ["--cert-file", server[0], "--key-file", server[1], "--tls-min-version", "TLS1.3"]
    with SecureMember(tmp_path / "m", extra=extra) as member:
        assert shown(member)[2] == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            shown(member, maximum=ssl.TLSVersion.TLSv1_2)
    extra = ["--cert-file", server[0], "--key-file", server[1], "--cipher-suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "--tls-max-version", "TLS1.2"]
    with SecureMember(tmp_path / "n", extra=extra) as member:
        assert shown(member)[2] == "TLSv1.2"


def test_auto_tls(tmp_path):
    with SecureMember(tmp_path / "m", extra=["--auto-tls"]) as member:
        first = shown(member)[0]
        assert etcdctl(member, insecure=True).stdout == "OK\n"
        assert own_etcdctl(member, "get", "a", "--print-value-only") == "1\n"
        names = x509.load_der_x509_certificate(first).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
        member.stop()
        member.start()
        assert shown(member)[0] == first, "kept in the data directory"


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_http_and_https_on_one_port(tmp_path, authority, kind):
    """A port that is named with both schemes speaks both."""
    server = authority.issue("server")
    member = harness.Member(tmp_path / "m", program=harness.go_program("etcd") if kind == "go" else None)
    urls = f"http://127.0.0.1:{member.client},https://127.0.0.1:{member.client}"
    member.extra = ["--listen-client-urls", urls, "--advertise-client-urls", urls, "--cert-file", server[0], "--key-file", server[1]]
    with member:
        member.put("a", "1")
        assert etcdctl(member, authority.path).stdout == "OK\n"
        assert harness.etcdctl(member, "get", "a", "--print-value-only").stdout == "1\n"
        trusting = ssl.create_default_context(cafile=authority.path)
        with socket.create_connection(("127.0.0.1", member.client)) as raw, trusting.wrap_socket(raw, server_hostname="localhost") as secured:
            # In pieces, and answered over TLS.
            for piece in (b"GET /hea", b"lth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
                secured.sendall(piece)
            assert b'"health":"true"' in secured.makefile("rb").read()
        # What is neither harms nobody.
        with socket.create_connection(("127.0.0.1", member.client)) as raw:
            raw.sendall(b"\x16\x03\x01\x00\x05hello")
        assert member.get("/health")[0] == 200


def test_auto_tls_of_a_go_member(tmp_path):
    """Its certificate's key is of a curve that our TLS library does not ask for of itself."""
    with SecureMember(tmp_path / "m", program=harness.go_program("etcd"), extra=["--auto-tls"]) as member:
        assert etcdctl(member, insecure=True).stdout == "OK\n"
        assert own_etcdctl(member, "get", "a", "--print-value-only") == "1\n"


def test_files_that_do_not_do(tmp_path, authority):
    server, other = authority.issue("server"), authority.issue("other")
    broken = authority.write("broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for certificate, key in ((server[0], str(tmp_path / "missing")), (broken, server[1]), (server[0], other[1]), (server[0], "")):
        member = SecureMember(tmp_path / "m", extra=["--cert-file", certificate, "--key-file", key])
        member.start(wait=False)
        assert member.process.wait(20) == 1
        assert any(word in member.log_tail() for word in ("certificate", "key"))


def test_common_name_is_the_user(tmp_path, authority):
    server, alice = authority.issue("server"), authority.issue("alice", common_name="alice")
    extra = ["--cert-file", server[0], "--key-file", server[1], "--client-cert-auth", "--trusted-ca-file", authority.path]
    with SecureMember(tmp_path / "m", extra=extra) as member:
        def run(*arguments):
            return etcdctl(member, authority.path, alice, arguments)

        for arguments in (
            ("user", "add", "root:secret"), ("role", "add", "root"), ("user", "grant-role", "root", "root"),
            ("user", "add", "alice", "--no-password"), ("role", "add", "writer"),
            ("role", "grant-permission", "writer", "readwrite", "a", "b"), ("user", "grant-role", "alice", "writer"), ("auth", "enable"),
        ):
            done = run(*arguments)
            assert done.returncode == 0, (arguments, done.stderr)
        assert run("put", "a1", "mine").stdout == "OK\n"
        denied = run("put", "c1", "not mine")
        assert denied.returncode != 0 and "permission denied" in denied.stderr
        assert run("--user", "root:secret", "put", "c1", "root's").stdout == "OK\n"


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_tls_over_a_socket_of_the_file_system(tmp_path, authority, kind):
    """`unixs://`: gRPC and HTTP over TLS, and nothing without it."""
    server = authority.issue("server")
    program = harness.go_program("etcd") if kind == "go" else None
    # Go wants a name and a port, and takes them for the name of a file.
    path = tmp_path / "etcd.sock:1"
    member = harness.Member(tmp_path / "m", program=program, wrapper=["env", f"--chdir={tmp_path}"])
    urls = f"http://127.0.0.1:{member.client},unixs://etcd.sock:1"
    member.extra = ["--listen-client-urls", urls, "--cert-file", server[0], "--key-file", server[1]]
    with member:
        with open(authority.path, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        override = [("grpc.ssl_target_name_override", "localhost")]
        with grpc.secure_channel(f"unix:{path}", credentials, options=override) as channel:
            channel.unary_unary("/etcdserverpb.KV/Put")(b"\x0a\x01k\x12\x01v", timeout=10)
        assert member.all_keys()[0]["value"] == harness.b64("v")
        trusting = ssl.create_default_context(cafile=authority.path)
        with unix_connection(path) as raw, trusting.wrap_socket(raw, server_hostname="localhost") as secured:
            assert secured.getpeercert(True) == server[2].public_bytes(serialization.Encoding.DER)
            secured.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b'"health":"true"' in secured.makefile("rb").read()
        stranger = ssl.create_default_context(cafile=Authority(tmp_path, "other").path)
        with unix_connection(path) as raw, pytest.raises(ssl.SSLCertVerificationError):
            stranger.wrap_socket(raw, server_hostname="localhost")
        # Plain text is not answered, and the member lives.
        with unix_connection(path) as raw:
            raw.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                assert not raw.recv(100).startswith(b"HTTP/1.1 200")
            except ConnectionResetError:
                pass
        # Clients compare the certificate's names with the socket's, less what looks like a port.
        good, other = tmp_path / "localhost:7", tmp_path / "other:7"
        for link in (good, other):
            link.symlink_to(path)
        for program in filter(None, (harness.go_program("etcdctl"), os.environ.get("CTL_UNDER_TEST"))):
            for link, expected in ((good, "k\nv\n"), (other, "")):
                command = [program, f"--endpoints=unixs://{link}", f"--cacert={authority.path}", "--command-timeout=2s", "get", "k"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=harness.clean_environment())
                assert done.stdout == expected, (command, done.stderr)


def unix_connection(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(path))
    return connection
