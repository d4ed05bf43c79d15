#!/bin/sh
# Certificates to try a cluster with: one authority, and for each member a folder with its own certificate and a client's.
#   make-certificates.sh FOLDER MEMBER...
# Run it as root to hand the folders to the image's user 65532; for production use the authority that you have.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 FOLDER MEMBER..." >&2; exit 2; }
folder=$1
shift
umask 077
mkdir -p "$folder/authority"
authority=$folder/authority/ca
days=365
if [ ! -f "$authority.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days "$days" -subj "/CN=etcd" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$authority.key" -out "$authority.crt" 2>/dev/null
fi

# issue FILE SUBJECT EXTENSION
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf '%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$authority.crt" -CAkey "$authority.key" -days "$days" -extfile "$1.ext" \
        -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

for member in "$@"; do
    mkdir -p "$folder/$member"
    cp "$authority.crt" "$folder/$member/ca.crt"
    issue "$folder/$member/server" "$member" "subjectAltName=DNS:$member,DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth"
    issue "$folder/$member/client" client "extendedKeyUsage=clientAuth"
    if [ "$(id -u)" = 0 ]; then
        chown -R 65532:65532 "$folder/$member"
    fi
done
