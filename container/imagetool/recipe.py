"""What goes into the image: the one place that names programs, users, directories and settings."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "container"
WORK = ROOT / ".build-image"  # everything that is built; git ignores it
# What is published: layouts, docker archives, SBOMs, the Debian package.
RELEASE = Path(os.environ.get("IMAGE_RELEASE", WORK / "release"))

# The programs of the image and the Debian package: names of one file, the product of Package.swift that is all of them.
PRODUCT = "etcd-programs"
PROGRAMS = ["etcd", "etcdctl", "etcdutl"]

IMAGE_NAME = "swift-etcd"
TITLE = "swift-etcd"
DESCRIPTION = "etcd 3.7 in Swift: a distributed, reliable key-value store"
VERSION = "3.7.1"
LICENSES = "Apache-2.0"
SOURCE = os.environ.get("IMAGE_SOURCE", "")  # address of the repository, for the label; the publisher knows it
ARCHITECTURE = "amd64"

USER, USER_ID = "etcd", 65532
DATA_DIRECTORY = "/var/lib/etcd"
PORTS = ["2379/tcp", "2380/tcp"]

# The compressed layer of the distroless image must not be larger.
SIZE_BUDGET = 15 * 1024 * 1024

# Debian packages whose files the distroless image takes, and which files those are (prefixes in the package).
# The lock file pins version and sha256 of each.
RUNTIME_FILES = {
    "libc6": [
        "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
        "lib/x86_64-linux-gnu/libm.so.6",
        "lib/x86_64-linux-gnu/libresolv.so.2",
        "lib/x86_64-linux-gnu/libnss_dns.so.2",
        "lib/x86_64-linux-gnu/libnss_files.so.2",
        "lib64/ld-linux-x86-64.so.2",
    ],
    # The C library itself asks for it when a thread ends.
    "libgcc-s1": ["lib/x86_64-linux-gnu/libgcc_s.so.1"],
    # The licence of the libraries of GCC.
    "gcc-12-base": [],
    "ca-certificates": ["usr/share/ca-certificates/mozilla/"],
    "tzdata": ["usr/share/zoneinfo/"],
}

# Libraries that are linked into the programs from Debian's static archives: package -> archive.
LINKED_ARCHIVES = {
    "libnghttp2-dev": "libnghttp2.a",
    "zlib1g-dev": "libz.a",
    "libcrypt-dev": "libcrypt.a",
    "libyaml-dev": "libyaml.a",
    "libstdc++-12-dev": "libstdc++.a",
}

# What Swift packages bring along of others' work, for the bills of materials: name, the package, its file that tells the
# version and how, licence, package URL.
BUNDLED = [
    ("boringssl-of-swift-nio-ssl", "swift-nio-ssl", "Sources/CNIOBoringSSL/hash.txt", r"revision ([0-9a-f]{40})",
     "Apache-2.0", "pkg:github/google/boringssl@"),
    ("boringssl-of-swift-crypto", "swift-crypto", "Sources/CCryptoBoringSSL/hash.txt", r"revision ([0-9a-f]{40})",
     "Apache-2.0", "pkg:github/google/boringssl@"),
    ("llhttp-of-swift-nio", "swift-nio", "Sources/CNIOLLHTTP/include/c_nio_llhttp.h",
     r"VERSION_MAJOR (\d+)\s.*VERSION_MINOR (\d+)\s.*VERSION_PATCH (\d+)\s", "MIT", "pkg:github/nodejs/llhttp@"),
]

# What Package.swift asks pkg-config for, by archive.
PKG_CONFIG_NAMES = {"libnghttp2.a": ["libnghttp2"], "libz.a": ["zlib"], "libyaml.a": ["yaml-0.1"]}

# What the image's etcd takes as defaults; see SurroundingDefaults.swift for the form and why these are not flags.
DEFAULTS = "; ".join([
    f"data-dir={DATA_DIRECTORY}",
    "listen-client-urls=http://0.0.0.0:2379 advertise-client-urls=http://localhost:2379",
    "listen-peer-urls=http://0.0.0.0:2380",
])
ENVIRONMENT = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    f"SWIFT_ETCD_DEFAULTS={DEFAULTS}",
]
