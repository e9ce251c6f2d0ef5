#!/bin/sh
# Makes an authority, and a certificate for the broker's host name: sh certificates.sh broker.gym.example
# Keep ca.key away from the broker; every gateway and client needs ca.crt.
set -eu
host=$1
umask 077
curve="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
[ -e ca.key ] || openssl req -x509 $curve -keyout ca.key -out ca.crt -days 3650 -subj "/CN=gym authority"
openssl req -new $curve -keyout broker.key -out broker.csr -subj "/CN=$host"
printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n' "$host" > broker.ext
openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 397 -extfile broker.ext -out broker.crt
rm broker.csr broker.ext
chmod 644 ca.crt broker.crt
