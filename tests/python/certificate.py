"""Makes a root and a server's certificate for 127.0.0.1 in a folder, unless they are there.

root.der is compiled into the binary that the benchmark of weights starts; the server's files are the other side.
"""

import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder = pathlib.Path(sys.argv[1])
if (folder / "server.key").exists():
    sys.exit()
folder.mkdir(parents=True, exist_ok=True)

day = datetime.timedelta(days=1)
today = datetime.datetime.now(datetime.timezone.utc)


def certificate(name, key, issuer, issuer_key, extension):
    named = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(today - day).not_valid_after(today + 800 * day)
    return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())


root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
root = certificate("test root", root_key, "test root", root_key, x509.BasicConstraints(ca=True, path_length=0))
here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
server = certificate("127.0.0.1", key, "test root", root_key, here)

der = serialization.Encoding.DER
(folder / "root.der").write_bytes(root.public_bytes(der))
(folder / "server.der").write_bytes(server.public_bytes(der))
encryption = serialization.NoEncryption()
(folder / "server.key").write_bytes(key.private_bytes(der, serialization.PrivateFormat.PKCS8, encryption))
