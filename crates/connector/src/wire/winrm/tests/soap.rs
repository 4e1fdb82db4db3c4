//! Envelopes as they go out, answers as Windows words them.

use super::*;
use expect_test::{Expect, expect};

const TO: &str = "http://ws-1:5985/wsman";

fn inner(ask: &Ask<'_>) -> String {
    let text = envelope(ask, TO, "11111111-2222-3333-4444-555555555555");
    // Whatever goes out is well formed.
    let root = xml::parse(&text).unwrap();
    assert_eq!(root.path(&["Header", "MaxEnvelopeSize"]).unwrap().text, "153600");
    assert!(text.len() < ENVELOPE_BYTES_MAX);
    let part = |name: &str| {
        let (start, end) = (text.find(&format!("<{name}")), text.find(&format!("</{name}>")));
        start.zip(end).map_or("", |(s, e)| &text[s..e + name.len() + 3]).to_string()
    };
    [part("w:OperationTimeout"), part("a:Action"), part("w:SelectorSet"), part("w:OptionSet"), part("s:Body")]
        .join("\n")
}
fn check(ask: &Ask<'_>, expected: Expect) {
    expected.assert_eq(&inner(ask));
}

#[test]
fn a_shell_is_made_with_the_utf_8_code_page() {
    check(
        &Ask::Create,
        expect![[r#"
            <w:OperationTimeout>PT60.000S</w:OperationTimeout>
            <a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/transfer/Create</a:Action>

            <w:OptionSet><w:Option Name="WINRS_NOPROFILE">FALSE</w:Option><w:Option Name="WINRS_CODEPAGE">65001</w:Option></w:OptionSet>
            <s:Body><rsp:Shell><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell></s:Body>"#]],
    );
}

#[test]
fn a_command_line_is_escaped_and_has_a_console_unless_there_is_input() {
    check(
        &Ask::Command { shell: "S<1>", line: "echo \"a\" & dir <x", input: false },
        expect![[r#"
            <w:OperationTimeout>PT60.000S</w:OperationTimeout>
            <a:Action s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command</a:Action>
            <w:SelectorSet><w:Selector Name="ShellId">S&lt;1&gt;</w:Selector></w:SelectorSet>
            <w:OptionSet><w:Option Name="WINRS_CONSOLEMODE_STDIN">TRUE</w:Option><w:Option Name="WINRS_SKIP_CMD_SHELL">FALSE</w:Option></w:OptionSet>
            <s:Body><rsp:CommandLine><rsp:Command>echo &quot;a&quot; &amp; dir &lt;x</rsp:Command></rsp:CommandLine></s:Body>"#]],
    );
    assert!(inner(&Ask::Command { shell: "s", line: "more", input: true }).contains("STDIN\">FALSE<"));
}

#[test]
fn input_output_signals_and_the_end() {
    check(
        &Ask::Send { shell: "s", command: "c", input: b"yes\n", last: true },
        expect![[r#"
            <w:OperationTimeout>PT60.000S</w:OperationTimeout>
            <a:Action s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send</a:Action>
            <w:SelectorSet><w:Selector Name="ShellId">s</w:Selector></w:SelectorSet>

            <s:Body><rsp:Send><rsp:Stream Name="stdin" CommandId="c" End="true">eWVzCg==</rsp:Stream></rsp:Send></s:Body>"#]],
    );
    check(
        &Ask::Receive { shell: "s", command: "c" },
        expect![[r#"
            <w:OperationTimeout>PT20.000S</w:OperationTimeout>
            <a:Action s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive</a:Action>
            <w:SelectorSet><w:Selector Name="ShellId">s</w:Selector></w:SelectorSet>

            <s:Body><rsp:Receive><rsp:DesiredStream CommandId="c">stdout stderr</rsp:DesiredStream></rsp:Receive></s:Body>"#]],
    );
    let signal = |signal| inner(&Ask::Signal { shell: "s", command: "c", signal });
    assert!(
        signal(Signal::Terminate)
            .contains("<rsp:Code>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate<")
    );
    assert!(signal(Signal::CtrlC).contains("/signal/ctrl_c<"));
    check(
        &Ask::Delete { shell: "s" },
        expect![[r#"
            <w:OperationTimeout>PT60.000S</w:OperationTimeout>
            <a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete</a:Action>
            <w:SelectorSet><w:Selector Name="ShellId">s</w:Selector></w:SelectorSet>

            <s:Body></s:Body>"#]],
    );
    // The largest piece of input still fits.
    inner(&Ask::Send { shell: "s", command: "c", input: &[0; INPUT_CHUNK_BYTES], last: false });
    assert!(xml::parse(&envelope(&Ask::Identify, TO, "x")).unwrap().find("Identify").is_some());
}

fn answer(body: &str) -> Vec<u8> {
    format!("\u{feff}<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:rsp=\"r\" xmlns:x=\"x\" xmlns:w=\"w\" xmlns:a=\"a\"><s:Header><a:MessageID>uuid:1</a:MessageID></s:Header><s:Body>{body}</s:Body></s:Envelope>").into_bytes()
}

#[test]
fn answers_of_a_host() {
    let both = "<x:ResourceCreated><a:Address>http://h/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>r</w:ResourceURI>\
         <w:SelectorSet><w:Selector Name=\"Other\">no</w:Selector><w:Selector Name=\"ShellId\">3A-1</w:Selector></w:SelectorSet></a:ReferenceParameters>\
         </x:ResourceCreated><rsp:Shell><rsp:ShellId>3A-1</rsp:ShellId></rsp:Shell>";
    assert_eq!(created(&answer(both)).unwrap(), "3A-1");
    assert_eq!(created(&answer("<rsp:Shell><rsp:ShellId>3A-2</rsp:ShellId></rsp:Shell>")).unwrap(), "3A-2");
    assert_eq!(
        started(&answer("<rsp:CommandResponse><rsp:CommandId>C1</rsp:CommandId></rsp:CommandResponse>")).unwrap(),
        "C1"
    );
    acknowledged(&answer("<rsp:SignalResponse/>")).unwrap();
    acknowledged(&answer("")).unwrap();
    let who = "<i:IdentifyResponse xmlns:i='i'><i:ProductVendor>Microsoft Corporation</i:ProductVendor><i:ProductVersion>OS: 10.0.20348</i:ProductVersion></i:IdentifyResponse>";
    assert_eq!(identified(&answer(who)).unwrap(), "Microsoft Corporation OS: 10.0.20348");
}

#[test]
fn output_comes_in_pieces_and_the_state_says_when_it_is_over() {
    let state = |s: &str, code: &str| {
        format!(
            "<rsp:CommandState CommandId=\"C\" State=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/{s}\">{code}</rsp:CommandState>"
        )
    };
    let response = |inner: &str| answer(&format!("<rsp:ReceiveResponse>{inner}</rsp:ReceiveResponse>"));
    let running = format!(
        "<rsp:Stream Name=\"stdout\" CommandId=\"C\">b25l\r\nIA==</rsp:Stream><rsp:Stream Name=\"stderr\" CommandId=\"C\">ZXJy</rsp:Stream>\
         <rsp:Stream Name=\"stdout\" CommandId=\"C\">dHdv</rsp:Stream>{}",
        state("Running", "")
    );
    let expected = Received { stdout: b"one two".to_vec(), stderr: b"err".to_vec(), done: false, exit_code: None };
    assert_eq!(received(&response(&running)).unwrap(), expected);
    let done = format!(
        "<rsp:Stream Name=\"stdout\" CommandId=\"C\" End=\"true\"/>{}",
        state("Done", "<rsp:ExitCode>-1073741510</rsp:ExitCode>")
    );
    let expected = Received { done: true, exit_code: Some(-1_073_741_510), ..Received::default() };
    assert_eq!(received(&response(&done)).unwrap(), expected);
    assert!(received(&response("<rsp:Stream Name=\"stdout\">!!</rsp:Stream>")).is_err());
}

fn fault(code: &str, subcode: &str, words: &str) -> SoapError {
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"\">the reason.</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f=\"f\" {code} Machine=\"h\"><f:Message>{words}\
         </f:Message></f:WSManFault></s:Detail></s:Fault>"
    );
    acknowledged(&answer(&body)).unwrap_err()
}

#[test]
fn faults_have_their_code_the_hosts_words_and_a_hint() {
    let timeout = fault(
        "Code=\"2150858793\"",
        "w:TimedOut",
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  ",
    );
    assert!(timeout.is_timeout() && !timeout.is_busy() && !timeout.is_shell_gone());
    assert!(fault("", "w:TimedOut", "").is_timeout());
    let gone = fault(
        "Code=\"2150858843\"",
        "w:InvalidSelectors",
        "The request for the Windows Remote Shell with ShellId 1 failed because the shell was not found on the server.",
    );
    assert!(gone.is_shell_gone() && !gone.is_timeout());
    let busy = fault(
        "Code=\"2150859173\"",
        "w:QuotaLimit",
        "This user is allowed a maximum number of 5 concurrent shells, which has been exceeded.",
    );
    assert!(busy.is_busy());
    let denied = fault(
        "Code=\"5\"",
        "w:AccessDenied",
        "<f:ProviderFault provider=\"p\">Access is\r\n denied.</f:ProviderFault> ",
    );
    // Only what surely began nothing may be sent again unasked.
    let internal = fault("Code=\"995\"", "w:InternalError", "The I/O operation has been aborted.");
    assert_eq!(
        [&timeout, &gone, &busy, &denied, &internal, &fault("", "w:SchemaValidationError", "")]
            .map(SoapError::is_refusal),
        [false, true, true, true, false, true]
    );
    expect![[r#"
        The WS-Management service cannot complete the operation within the time specified in OperationTimeout (code 2150858793); the host gave no answer within the operation's time
        The request for the Windows Remote Shell with ShellId 1 failed because the shell was not found on the server (code 2150858843); the shell is gone: the host restarted, or removed it after its idle time
        This user is allowed a maximum number of 5 concurrent shells, which has been exceeded (code 2150859173); raise `MaxShellsPerUser` on the host, or remove shells that were left over
        Access is denied (code 5); the account must be an administrator or in `Remote Management Users`
        the reason (code 87)
        the reason"#]]
    .assert_eq(
        &[timeout, gone, busy, denied, fault("Code=\"87\"", "x", ""), fault("", "x", " ")].map(|f| f.to_string()).join("\n"),
    );
}

#[test]
fn answers_that_are_none_are_words_and_never_a_panic() {
    for text in [
        "",
        "<html/>",
        "<s:Envelope xmlns:s='s'/>",
        "\u{0}",
        "{\"a\":1}",
        "<s:Envelope xmlns:s='s'><s:Body/></s:Envelope>",
    ] {
        let bytes = text.as_bytes();
        assert!(
            created(bytes).is_err()
                && started(bytes).is_err()
                && received(bytes).is_err()
                && identified(bytes).is_err(),
            "{text}"
        );
    }
    assert!(matches!(received(b"\xff\xfe<"), Err(SoapError::Unreadable(_))));
    let long = answer(&format!(
        "<rsp:CommandResponse><rsp:CommandId>{}</rsp:CommandId></rsp:CommandResponse>",
        "x".repeat(300)
    ));
    assert!(started(&long).is_err());
    let good = answer("<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\">b25l</rsp:Stream></rsp:ReceiveResponse>");
    let mut seed: u32 = 1;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut bad = good.clone();
        let at = (seed >> 8) as usize % bad.len();
        bad[at] = (seed >> 24) as u8;
        let _ = received(&bad);
    }
}
