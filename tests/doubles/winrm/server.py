"""A WinRM service for tests: WinRS over WS-Management, commands run by /bin/sh or answered from a script.

Over HTTP it demands NTLM and sealed messages, over HTTPS it takes Basic and client certificates, as a Windows host does in its
default configuration. NTLM is pyspnego's; nothing here is shared with the client under test. `check.py` drives it with pywinrm.

    server.py --dir DIR --user 'CORP\\ir:password' [--script FILE] [--receive-seconds N] [--max-shells N]

It prints one line of JSON when it listens: ports, and the files in DIR: `ledger.jsonl` (one line for each command started, appended
and synced before the command begins), `trace.jsonl` (everything else), `ca.pem`, `client.pem`, `client.key`.

The script is a JSON list of `{"match": REGEX, ...}` on the decoded command line; the first that matches counts. `stdout`, `stderr`, `exit`,
`delay` answer instead of /bin/sh; `drop: "command"` breaks the connection in place of the answer to Command, `drop: "receive"` that
to the first Receive that holds output, `fault: [CODE, SUBCODE]` refuses the command, `unsealed: true` answers Receive in the clear.
"""

import argparse
import base64
import datetime
import ipaddress
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "wsmid": "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
}
SHELL = NS["rsp"]
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
RESOURCE = SHELL + "/cmd"
SEALED = "application/HTTP-SPNEGO-session-encrypted"
MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
BODY_MAX = 1 << 20
TIMED_OUT, NO_SHELL, TOO_MANY_SHELLS = 2150858793, 2150858843, 2150859173


class Fault(Exception):
    def __init__(self, code, subcode, text):
        super().__init__(text)
        self.code, self.subcode, self.text = code, subcode, text


class Drop(Exception):
    """The connection breaks in place of an answer."""


def spawn_line(line):
    """The text that /bin/sh runs and what read it: a script of PowerShell is decoded."""
    found = re.match(r"(?i)^\"?powershell(?:\.exe)?\"?\s.*-(?:EncodedCommand|e|enc)\s+([A-Za-z0-9+/=]+)\s*$", line)
    if not found:
        return line, "cmd"
    return base64.b64decode(found.group(1)).decode("utf-16-le"), "powershell"


def clixml(text):
    """Standard error as PowerShell writes it into a pipe: progress first, then one record for each line."""
    head = '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
    progress = (
        '<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.PSCustomObject</T><T>System.Object</T></TN>'
        '<MS><I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing modules for first use.</AV><AI>0</AI><Nil /><PI>-1</PI>'
        "<PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj>"
    )
    lines = "".join('<S S="Error">%s_x000D__x000A_</S>' % escape(line.replace("_x", "_x005F_x")) for line in text.splitlines())
    return (head + progress + lines + "</Objs>").encode()


class Command:
    def __init__(self, identity, line, script, piped):
        self.id, self.line = identity, line
        self.text, self.kind = spawn_line(line)
        self.rule = next((r for r in script if re.search(r["match"], self.text)), None) or {}
        self.lock = threading.Condition()
        self.out = {"stdout": b"", "stderr": b""}
        self.open = 2
        self.exit = None
        self.process = None
        self.dropped = False
        self.piped = piped

    def start(self):
        if "stdout" in self.rule or "stderr" in self.rule or "exit" in self.rule:
            threading.Thread(target=self.canned, daemon=True).start()
            return
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", self.text],
            stdin=subprocess.PIPE if self.piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for name in ("stdout", "stderr"):
            threading.Thread(target=self.pump, args=(name,), daemon=True).start()

    def canned(self):
        time.sleep(self.rule.get("delay", 0))
        with self.lock:
            self.out["stdout"] += self.rule.get("stdout", "").encode()
            error = self.rule.get("stderr", "")
            self.out["stderr"] += clixml(error) if error and self.kind == "powershell" else error.encode()
            self.open = 0
            self.exit = self.rule.get("exit", 0)
            self.lock.notify_all()

    def pump(self, name):
        stream = getattr(self.process, name)
        held = b""
        while chunk := os.read(stream.fileno(), 65536):
            if name == "stderr" and self.kind == "powershell":
                held += chunk
                continue
            with self.lock:
                self.out[name] += chunk
                self.lock.notify_all()
        with self.lock:
            if held:
                self.out[name] += clixml(held.decode(errors="replace"))
            self.open -= 1
            if self.open == 0:
                code = self.process.wait()
                # A process that was ended from outside: what Windows calls STATUS_CONTROL_C_EXIT.
                self.exit = code if code >= 0 else -1073741510
            self.lock.notify_all()

    def write(self, data, last):
        if not self.process or not self.process.stdin or self.process.stdin.closed:
            raise Fault(109, "w:InternalError", "The pipe has been ended.")
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
            if last:
                self.process.stdin.close()
        except BrokenPipeError:
            raise Fault(109, "w:InternalError", "The pipe has been ended.") from None

    def stop(self):
        if self.process and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def take(self, seconds, room):
        """Output and whether it is over; what is taken is gone."""
        until = time.monotonic() + seconds
        with self.lock:
            while not any(self.out.values()) and self.exit is None:
                left = until - time.monotonic()
                if left <= 0 or not self.lock.wait(left):
                    raise Fault(TIMED_OUT, "w:TimedOut", "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.")
            taken = {}
            for name, data in self.out.items():
                taken[name], self.out[name] = data[:room], data[room:]
            over = self.exit is not None and not any(self.out.values())
            return taken, (self.exit if over else None)


class Service:
    def __init__(self, args, users):
        self.args, self.users = args, users
        self.script = json.load(open(args.script)) if args.script else []
        self.shells = {}
        self.lock = threading.Lock()
        self.ledger = open(os.path.join(args.dir, "ledger.jsonl"), "a", encoding="utf-8")
        self.trace = open(os.path.join(args.dir, "trace.jsonl"), "a", encoding="utf-8")

    def write(self, file, **entry):
        with self.lock:
            file.write(json.dumps({"t": time.time(), **entry}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def shell(self, envelope, user):
        found = envelope.find("s:Header/w:SelectorSet/w:Selector[@Name='ShellId']", NS)
        shell = self.shells.get((found.text or "").strip()) if found is not None else None
        # Shells of other users do not exist for whoever asks.
        if shell is None or shell["user"] != user:
            name = found.text if found is not None else ""
            raise Fault(NO_SHELL, "w:InvalidSelectors", f"The request for the Windows Remote Shell with ShellId {name} failed because the shell was not found on the server.")
        return shell

    def command(self, shell, element):
        identity = element.get("CommandId") if element is not None else None
        found = shell["commands"].get(identity)
        if found is None:
            raise Fault(2150858752, "w:InvalidParameter", "The command id is not known in this shell.")
        return found

    def answer(self, envelope, user, auth, sealed):
        """Action and body of the answer; the third is true where it must go out unsealed."""
        body = envelope.find("s:Body", NS)
        if body is None:
            raise Fault(None, "s:Sender", "The message has no body.")
        if body.find("wsmid:Identify", NS) is not None:
            self.write(self.trace, event="identify", user=user)
            return None, (
                f'<wsmid:IdentifyResponse xmlns:wsmid="{NS["wsmid"]}"><wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'
                "</wsmid:ProtocolVersion><wsmid:ProductVendor>Watchfire test double</wsmid:ProductVendor>"
                "<wsmid:ProductVersion>1</wsmid:ProductVersion></wsmid:IdentifyResponse>"
            ), False
        action = envelope.findtext("s:Header/a:Action", "", NS).strip()
        resource = envelope.findtext("s:Header/w:ResourceURI", "", NS).strip()
        if resource != RESOURCE:
            raise Fault(2150858752, "w:InvalidResourceURI", f"The resource {resource} is not known.")
        options = {o.get("Name"): o.text for o in envelope.findall("s:Header/w:OptionSet/w:Option", NS)}
        if action == TRANSFER + "/Create":
            return action, self.create(user, options), False
        shell = self.shell(envelope, user)
        if action == TRANSFER + "/Delete":
            for command in shell["commands"].values():
                command.stop()
            self.shells.pop(shell["id"], None)
            self.write(self.trace, event="delete", shell=shell["id"], user=user)
            return action, "", False
        if action == SHELL + "/Command":
            return action, self.begin(shell, body, user, auth, sealed, options), False
        if action == SHELL + "/Send":
            stream = body.find("rsp:Send/rsp:Stream", NS)
            command = self.command(shell, stream)
            last = (stream.get("End") or "").lower() in ("true", "1")
            command.write(base64.b64decode(stream.text or ""), last)
            return action, "<rsp:SendResponse/>", False
        if action == SHELL + "/Receive":
            return self.receive(action, shell, body, envelope)
        if action == SHELL + "/Signal":
            element = body.find("rsp:Signal", NS)
            command = self.command(shell, element)
            code = element.findtext("rsp:Code", "", NS).strip().rsplit("/", 1)[-1]
            self.write(self.trace, event="signal", shell=shell["id"], command=command.id, code=code, ended=command.exit is not None)
            command.stop()
            if code == "terminate":
                shell["commands"].pop(command.id, None)
            return action, "<rsp:SignalResponse/>", False
        raise Fault(2150858752, "a:ActionNotSupported", f"The action {action} is not known.")

    def create(self, user, options):
        if sum(s["user"] == user for s in self.shells.values()) >= self.args.max_shells:
            raise Fault(TOO_MANY_SHELLS, "w:QuotaLimit", f"This user is allowed a maximum number of {self.args.max_shells} concurrent shells, which has been exceeded.")
        identity = str(uuid.uuid4()).upper()
        self.shells[identity] = {"id": identity, "user": user, "commands": {}}
        self.write(self.trace, event="create", shell=identity, user=user, code_page=options.get("WINRS_CODEPAGE"))
        return (
            '<x:ResourceCreated xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer"><a:Address>http://localhost/wsman</a:Address>'
            f"<a:ReferenceParameters><w:ResourceURI>{RESOURCE}</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">{identity}</w:Selector>"
            f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{identity}</rsp:ShellId></rsp:Shell>"
        )

    def begin(self, shell, body, user, auth, sealed, options):
        element = body.find("rsp:CommandLine", NS)
        words = [element.findtext("rsp:Command", "", NS)] + [a.text or "" for a in element.findall("rsp:Arguments", NS)]
        identity = str(uuid.uuid4()).upper()
        piped = options.get("WINRS_CONSOLEMODE_STDIN", "").upper() == "FALSE"
        command = Command(identity, " ".join(words), self.script, piped)
        if refuse := command.rule.get("fault"):
            raise Fault(refuse[0], refuse[1], "The test refuses this command.")
        self.write(self.ledger, shell=shell["id"], command=identity, line=command.text, kind=command.kind, user=user, auth=auth, sealed=sealed)
        shell["commands"][identity] = command
        command.start()
        if command.rule.get("drop") == "command":
            raise Drop
        return f"<rsp:CommandResponse><rsp:CommandId>{identity}</rsp:CommandId></rsp:CommandResponse>"

    def receive(self, action, shell, body, envelope):
        element = body.find("rsp:Receive/rsp:DesiredStream", NS)
        command = self.command(shell, element)
        wanted = re.match(r"PT([0-9.]+)S", envelope.findtext("s:Header/w:OperationTimeout", "PT60S", NS).strip())
        size = int(envelope.findtext("s:Header/w:MaxEnvelopeSize", "153600", NS).strip())
        seconds = min(float(wanted.group(1)) if wanted else 60, self.args.receive_seconds)
        taken, code = command.take(seconds, max(1024, (size - 4096) * 3 // 8))
        if command.rule.get("drop") == "receive" and not command.dropped:
            command.dropped = True
            raise Drop
        streams = "".join(
            f'<rsp:Stream Name="{name}" CommandId="{command.id}">{base64.b64encode(data).decode()}</rsp:Stream>'
            for name, data in taken.items()
            if data
        )
        state = "Running"
        inner = ""
        if code is not None:
            state, inner = "Done", f"<rsp:ExitCode>{code}</rsp:ExitCode>"
            streams += "".join(f'<rsp:Stream Name="{n}" CommandId="{command.id}" End="true"/>' for n in ("stdout", "stderr"))
        states = f'<rsp:CommandState CommandId="{command.id}" State="{SHELL}/CommandState/{state}">{inner}</rsp:CommandState>'
        return action, f"<rsp:ReceiveResponse>{streams}{states}</rsp:ReceiveResponse>", bool(command.rule.get("unsealed"))


def wrap(action, relates, body):
    header = f"<a:Action>{action}Response</a:Action>" if action else ""
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{NS["s"]}" xmlns:a="{NS["a"]}" xmlns:w="{NS["w"]}" xmlns:rsp="{NS["rsp"]}"><s:Header>{header}'
        f"<a:MessageID>uuid:{uuid.uuid4()}</a:MessageID><a:RelatesTo>{escape(relates)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault_body(fault):
    detail = ""
    if fault.code is not None:
        detail = (
            f'<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{fault.code}" Machine="localhost">'
            f"<f:Message>{escape(fault.text)} </f:Message></f:WSManFault></s:Detail>"
        )
    return (
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(fault.text)} </s:Text></s:Reason>{detail}</s:Fault>'
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service = None

    def setup(self):
        super().setup()
        # What NTLM knows belongs to the connection.
        self.pending = self.context = self.user = None

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", kind=None, challenges=()):
        self.send_response(status)
        for challenge in challenges:
            self.send_header("WWW-Authenticate", challenge)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX:
            self.close_connection = True
            return self.reply(413)
        body = self.rfile.read(length)
        if self.path.split("?")[0] != "/wsman":
            return self.reply(404)
        try:
            if isinstance(self.connection, ssl.SSLSocket):
                self.over_tls(body)
            else:
                self.over_ntlm(body)
        except Drop:
            self.close_connection = True
        return None

    def over_ntlm(self, body):
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() in ("negotiate", "ntlm") and token:
            try:
                if self.pending is None:
                    self.context = self.user = None
                    self.pending = spnego.server(protocol="ntlm")
                out = self.pending.step(base64.b64decode(token))
                if not self.pending.complete:
                    return self.reply(401, challenges=[f"{scheme} {base64.b64encode(out).decode()}"])
            except Exception:  # noqa: BLE001 - whatever pyspnego dislikes is a refused sign-in
                self.pending = None
                return self.reply(401, challenges=["Negotiate"])
            self.context, self.pending = self.pending, None
            self.user = self.context.client_principal
            if not body:
                return self.reply(200)
        if self.context is None:
            return self.reply(401, challenges=["Negotiate"])
        kind = self.headers.get("Content-Type") or ""
        if not kind.startswith("multipart/encrypted") or SEALED not in kind:
            self.service.write(self.service.trace, event="unsealed", user=self.user)
            message = wrap(None, "", fault_body(Fault(None, "s:Sender", "Unencrypted traffic is not allowed.")))
            return self.reply(500, message, "application/soap+xml;charset=UTF-8")
        status, message, clear = self.work(self.unseal(body), self.user, "ntlm", True)
        if clear:
            return self.reply(status, message, "application/soap+xml;charset=UTF-8")
        sealed = self.context.wrap(message, encrypt=True).data
        frame = (
            f"--Encrypted Boundary\r\n\tContent-Type: {SEALED}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(message)}\r\n"
            "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        ).encode() + (16).to_bytes(4, "little") + sealed + b"--Encrypted Boundary--\r\n"
        return self.reply(status, frame, f'multipart/encrypted;protocol="{SEALED}";boundary="Encrypted Boundary"')

    def unseal(self, body):
        head, _, rest = body.partition(b"\tContent-Type: application/octet-stream\r\n")
        length = int(re.search(rb"Length=(\d+)", head).group(1))
        signature = int.from_bytes(rest[:4], "little")
        message = self.context.unwrap(rest[4 : 4 + signature + length]).data
        if len(message) != length or rest[4 + signature + length :] != b"--Encrypted Boundary--\r\n":
            raise ValueError("the frame is not as long as it says")
        return message

    def over_tls(self, body):
        header = self.headers.get("Authorization") or ""
        certificate = self.connection.getpeercert()
        user = None
        auth = "basic"
        if header.strip().lower() == MUTUAL and certificate:
            names = dict(pair for part in certificate["subject"] for pair in part)
            user, auth = names.get("commonName"), "certificate"
        elif header.lower().startswith("basic "):
            name, _, password = base64.b64decode(header[6:]).decode().partition(":")
            if self.service.users.get(name.rsplit("\\", 1)[-1]) == password:
                user = name
        if user is None:
            return self.reply(401, challenges=['Basic realm="WSMAN"'])
        status, message, _ = self.work(body, user, auth, False)
        return self.reply(status, message, "application/soap+xml;charset=UTF-8")

    def work(self, message, user, auth, sealed):
        relates, action = "", None
        try:
            envelope = ET.fromstring(message)
            relates = envelope.findtext("s:Header/a:MessageID", "", NS)
            action, body, clear = self.service.answer(envelope, user, auth, sealed)
            return 200, wrap(action, relates, body), clear
        except Fault as fault:
            return 500, wrap(action, relates, fault_body(fault)), False
        except ET.ParseError:
            return 500, wrap(None, "", fault_body(Fault(None, "s:Sender", "The message is no XML."))), False


class Server(ThreadingHTTPServer):
    daemon_threads = True
    tls = None

    def finish_request(self, request, address):
        # The handshake belongs to the connection's own thread.
        if self.tls:
            request.settimeout(30)
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError, TimeoutError)):
            super().handle_error(request, address)


def certificates(folder, client_name):
    """An authority, the service's certificate and a client's, in DIR."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def make(name, issuer, issuer_key, extensions):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key or key, hashes.SHA256()), key

    def save(name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def pem(key):
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    authority, authority_key = make("Watchfire test authority", None, None, [(x509.BasicConstraints(True, None), True)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = (x509.BasicConstraints(False, None), True)
    server, server_key = make("localhost", authority.subject, authority_key, [leaf, (names, False), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
    client, client_key = make(client_name, authority.subject, authority_key, [leaf, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
    of = serialization.Encoding.PEM
    return {
        "ca": save("ca.pem", authority.public_bytes(of)),
        "server": save("server.pem", server.public_bytes(of) + pem(server_key)),
        "client_certificate": save("client.pem", client.public_bytes(of)),
        "client_key": save("client.key", pem(client_key)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--user", action="append", required=True, help="DOMAIN\\name:password")
    parser.add_argument("--script")
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--https-port", type=int, default=0)
    parser.add_argument("--receive-seconds", type=float, default=60)
    parser.add_argument("--max-shells", type=int, default=30)
    args = parser.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    users = {}
    with tempfile.NamedTemporaryFile("w", dir=args.dir, prefix="users", delete=False) as file:
        for entry in args.user:
            name, _, password = entry.partition(":")
            domain, _, name = name.rpartition("\\")
            users[name] = password
            file.write(f"{domain}:{name}:{password}\n")
    os.environ["NTLM_USER_FILE"] = file.name
    files = certificates(args.dir, next(iter(users)))
    Handler.service = Service(args, users)
    plain = Server(("127.0.0.1", args.http_port), Handler)
    secure = Server(("127.0.0.1", args.https_port), Handler)
    secure.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.tls.load_cert_chain(files["server"])
    secure.tls.load_verify_locations(files["ca"])
    secure.tls.verify_mode = ssl.CERT_OPTIONAL
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"http": plain.server_address[1], "https": secure.server_address[1], **files}), flush=True)
    # Whoever started it ends it by closing its input, also by dying.
    sys.stdin.read()
    for shell in list(Handler.service.shells.values()):
        for command in shell["commands"].values():
            command.stop()


if __name__ == "__main__":
    main()
