"""Drives the WinRM double with pywinrm, an independent client: what holds here is WinRM, not our idea of it."""

import json
import os
import subprocess
import sys
import tempfile
import time

import winrm
from winrm.exceptions import InvalidCredentialsError, WinRMError, WinRMTransportError
from winrm.protocol import Protocol

HERE = os.path.dirname(os.path.abspath(__file__))
USER, PASSWORD = "CORP\\ir", "correct horse"


def check(name, holds, seen=""):
    if not holds:
        print(f"FAIL {name}: {seen!r}")
        sys.exit(1)
    print(f"ok   {name}")


def refused(name, kinds, call):
    try:
        result = call()
    except kinds as error:
        print(f"ok   {name} ({type(error).__name__})")
        return
    check(name, False, result)


def main():
    folder = tempfile.mkdtemp(prefix="winrm-check-")
    script = os.path.join(folder, "script.json")
    with open(script, "w", encoding="utf-8") as file:
        json.dump([{"match": "^canned$", "stdout": "from the script\r\n", "exit": 7}], file)
    arguments = ["--dir", folder, "--user", f"{USER}:{PASSWORD}", "--script", script, "--receive-seconds", "1"]
    server = subprocess.Popen([sys.executable, os.path.join(HERE, "server.py"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    at = json.loads(server.stdout.readline())
    try:
        run(folder, at)
    finally:
        server.stdin.close()
        server.wait(10)


def lines(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def run(folder, at):
    http, https = f"http://127.0.0.1:{at['http']}/wsman", f"https://127.0.0.1:{at['https']}/wsman"
    sealed = {"transport": "ntlm", "message_encryption": "always"}
    session = winrm.Session(http, auth=(USER, PASSWORD), **sealed)
    r = session.run_cmd("echo", ["hello;", "echo", "bad", ">&2;", "exit", "3"])
    check("command over sealed NTLM", (r.status_code, r.std_out, r.std_err) == (3, b"hello\n", b"bad\n"), vars(r))
    r = session.run_ps("echo 'grüße'; echo wrong >&2")
    check("PowerShell script, error records as text", (r.std_out.decode(), r.std_err.strip()) == ("grüße\n", b"wrong"), vars(r))
    r = session.run_cmd("canned")
    check("answer from the script", (r.status_code, r.std_out) == (7, b"from the script\r\n"), vars(r))
    r = session.run_cmd("head -c 300000 /dev/zero | tr '\\0' x")
    check("output larger than an envelope", len(r.std_out) == 300_000 and r.status_code == 0, len(r.std_out))
    r = session.run_cmd("sleep 2.5; echo late")
    check("Receive is asked again after its time", r.std_out == b"late\n", vars(r))

    protocol = Protocol(http, username=USER, password=PASSWORD, **sealed)
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, "sleep 600")
    begun = time.monotonic()
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    trace = lines(folder, "trace.jsonl")
    signals = [t for t in trace if t["event"] == "signal" and t["command"] == command]
    check("terminate ends a command", time.monotonic() - begun < 5 and signals[0]["code"] == "terminate" and not signals[0]["ended"], signals)
    refused("a shell that is gone", WinRMError, lambda: protocol.run_command(shell, "echo again"))
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "cat", console_mode_stdin=False)
    protocol.send_command_input(shell, command, b"typed in\n", end=True)
    check("input through a pipe", protocol.get_command_output(shell, command)[0] == b"typed in\n")
    protocol.close_shell(shell)

    before = len(lines(folder, "ledger.jsonl"))
    wrong = winrm.Session(http, auth=(USER, "wrong password"), **sealed)
    refused("a wrong password", InvalidCredentialsError, lambda: wrong.run_cmd("echo no"))
    unsealed = winrm.Session(http, auth=(USER, PASSWORD), transport="ntlm", message_encryption="never")
    refused("an unsealed request", (WinRMError, WinRMTransportError), lambda: unsealed.run_cmd("echo no"))
    basic_in_the_clear = winrm.Session(http, auth=(USER, PASSWORD), transport="plaintext")
    refused("Basic over HTTP", InvalidCredentialsError, lambda: basic_in_the_clear.run_cmd("echo no"))
    over_tls = {"server_cert_validation": "validate", "ca_trust_path": at["ca"]}
    wrong = winrm.Session(https, auth=("ir", "wrong password"), transport="basic", **over_tls)
    refused("Basic with a wrong password", InvalidCredentialsError, lambda: wrong.run_cmd("echo no"))
    nobody = winrm.Session(https, auth=("", ""), transport="certificate", cert_pem=at["client_certificate"], cert_key_pem=at["client_key"], server_cert_validation="validate")
    refused("an authority that is not known", Exception, lambda: nobody.run_cmd("echo no"))
    check("nothing of it reached the ledger", len(lines(folder, "ledger.jsonl")) == before)

    basic = winrm.Session(https, auth=("ir", PASSWORD), transport="basic", **over_tls)
    check("Basic over HTTPS", basic.run_cmd("echo basic").std_out == b"basic\n")
    mutual = winrm.Session(https, auth=("", ""), transport="certificate", cert_pem=at["client_certificate"], cert_key_pem=at["client_key"], **over_tls)
    check("client certificate over HTTPS", mutual.run_cmd("echo mutual").std_out == b"mutual\n")

    ledger = lines(folder, "ledger.jsonl")
    check("one line in the ledger for each command", [e["line"] for e in ledger[-2:]] == ["echo basic", "echo mutual"] and len(ledger) == 9, ledger)
    check("scripts stand there decoded", ledger[1]["line"] == "echo 'grüße'; echo wrong >&2" and ledger[1]["kind"] == "powershell", ledger[1])
    check("with account and seal", ledger[0]["user"].lower() == USER.lower() and ledger[0]["sealed"] and not ledger[-1]["sealed"], ledger[0])
    made, gone = ([t["shell"] for t in lines(folder, "trace.jsonl") if t["event"] == e] for e in ("create", "delete"))
    check("every shell was removed", sorted(made) == sorted(gone), (made, gone))


if __name__ == "__main__":
    main()
