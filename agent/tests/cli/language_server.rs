//! A session of an editor with `keel lsp`: over its pipes, with files that are on no disk.

use std::io::{BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use lsp_server::{Message, Notification, Request, RequestId};
use serde_json::{Value, json};

use crate::stage::Stage;

/// An editor that has started the server.
struct Editor {
    server: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    asked: i32,
    /// What the server said of itself.
    greeting: Value,
    /// The newest diagnostics that came, by the file's address.
    shown: Vec<(String, Value)>,
}

impl Editor {
    fn start(stage: &Stage) -> Self {
        let mut server = stage.command(&["lsp", "--stdio"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (server.stdin.take().unwrap(), BufReader::new(server.stdout.take().unwrap()));
        let mut editor = Self { server, to, from, asked: 0, greeting: Value::Null, shown: Vec::new() };
        let greeting = editor.ask("initialize", json!({ "capabilities": {}, "processId": null, "rootUri": null }));
        editor.greeting = greeting.unwrap();
        editor.tell("initialized", json!({}));
        editor
    }

    fn tell(&mut self, method: &str, params: Value) {
        Message::Notification(Notification { method: method.to_owned(), params }).write(&mut self.to).unwrap();
    }

    /// Asks, and takes what comes before the answer.
    fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.asked += 1;
        let id = RequestId::from(self.asked);
        Message::Request(Request { id: id.clone(), method: method.to_owned(), params }).write(&mut self.to).unwrap();
        loop {
            match self.hear() {
                Message::Response(response) if response.id == id => return response.response_result.map_err(|error| error.message),
                _ => {}
            }
        }
    }

    /// What is answered; the question must be one that is understood.
    fn answer(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params).unwrap()
    }

    fn hear(&mut self) -> Message {
        let message = Message::read(&mut self.from).unwrap().expect("the server ended");
        if let Message::Notification(heard) = &message
            && heard.method == "textDocument/publishDiagnostics"
        {
            self.shown.push((heard.params["uri"].as_str().unwrap().to_owned(), heard.params["diagnostics"].clone()));
        }
        message
    }

    /// Waits until the newest diagnostics of a file are as wished.
    fn wait_for(&mut self, uri: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let newest = self.shown.iter().rev().find(|(of, _)| of == uri).map(|(_, shown)| shown.clone());
            if let Some(shown) = newest.filter(|shown| wanted(shown)) {
                return shown;
            }
            self.hear();
        }
    }

    fn change(&mut self, uri: &str, version: i32, text: &str) {
        let document = json!({ "uri": uri, "version": version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [{ "text": text }] }));
    }
}

/// A question about the `|` of a text that is open under an address.
fn about(uri: &str, marked: &str) -> Value {
    let before = marked.split('|').next().unwrap();
    let (line, character) = (before.matches('\n').count(), before.rsplit('\n').next().unwrap().chars().count());
    json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } })
}

const MODULE: &str =
    "module web_server {\n    doc \"Serves.\"\n    param (port)port default=80\n    file \"/srv/port\" content=\"{{ port }}\"\n}\n";
const MANIFEST: &str = "group all {\n    use web_server port=8080\n}\n";

fn site() -> Stage {
    let stage = Stage::new("");
    stage.write("site/modules/web_server/module.kdl", MODULE);
    stage.write("site/manifests/site.kdl", MANIFEST);
    stage
}

#[test]
fn an_editor_sees_what_is_wrong_while_somebody_types() {
    let stage = site();
    let folder = std::fs::canonicalize(stage.site()).unwrap();
    let uri = format!("file://{}/manifests/site.kdl", folder.display());
    let mut editor = Editor::start(&stage);
    assert_eq!(editor.greeting["serverInfo"]["name"], "keel");
    let opened = json!({ "uri": uri, "languageId": "kdl", "version": 1, "text": "group all {\n    use web_servr\n}\n" });
    editor.tell("textDocument/didOpen", json!({ "textDocument": opened }));
    let shown = editor.wait_for(&uri, |shown| shown.as_array().is_some_and(|found| !found.is_empty()));
    assert_eq!(shown[0]["range"]["start"], json!({ "line": 1, "character": 8 }), "{shown}");
    assert!(shown[0]["message"].as_str().unwrap().contains("web_server"), "{shown}");
    assert!(shown[0]["code"].as_str().unwrap().starts_with("KE"), "{shown}");
    // What only the compile of a host finds.
    editor.change(&uri, 2, "group all {\n    use web_server port=\"{{ nobody }}\"\n}\n");
    let shown = editor.wait_for(&uri, |shown| shown.to_string().contains("nobody"));
    assert_eq!(shown[0]["severity"], 1, "{shown}");
    editor.change(&uri, 3, MANIFEST);
    editor.wait_for(&uri, |shown| shown.as_array().is_some_and(Vec::is_empty));
    assert_eq!(editor.ask("shutdown", Value::Null), Ok(Value::Null));
    editor.tell("exit", Value::Null);
    assert!(editor.server.wait().unwrap().success());
}

#[test]
fn an_editor_asks_what_may_come_what_it_is_and_where_it_is() {
    let stage = site();
    let folder = std::fs::canonicalize(stage.site()).unwrap();
    let uri = format!("file://{}/manifests/site.kdl", folder.display());
    let mut editor = Editor::start(&stage);
    let text = "group all {\n  use web_server port=8080\n  file \"/x\" {\n}";
    editor.tell("textDocument/didOpen", json!({ "textDocument": { "uri": uri, "languageId": "kdl", "version": 1, "text": MANIFEST } }));
    editor.tell("textDocument/didSave", json!({ "textDocument": { "uri": uri } }));
    // The site is known once it was looked at: then modules have parameters.
    let marked = "group all {\n    use web_server |port=8080\n}\n";
    let offered = loop {
        let offered = editor.answer("textDocument/completion", about(&uri, marked));
        if offered.to_string().contains("port=") {
            break offered;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(offered.as_array().unwrap().iter().any(|item| item["label"] == "when="), "{offered}");
    let hover = editor.answer("textDocument/hover", about(&uri, "group all {\n    use web_|server"));
    assert!(hover["contents"]["value"].as_str().unwrap().contains("Serves."), "{hover}");
    let places = editor.answer("textDocument/definition", about(&uri, "group all {\n    use web_|server"));
    assert_eq!(places[0]["uri"], format!("file://{}/modules/web_server/module.kdl", folder.display()));
    assert_eq!(places[0]["range"]["start"], json!({ "line": 0, "character": 7 }));
    editor.change(&uri, 2, text);
    let offered = editor.answer("textDocument/completion", about(&uri, "group all {\n  use web_server port=8080\n  file \"/x\" {|"));
    assert!(offered.as_array().unwrap().iter().any(|item| item["label"] == "mode"), "{offered}");
    editor.change(&uri, 3, "group all {\nuse web_server port=8080\n}\n");
    let options = json!({ "tabSize": 4, "insertSpaces": true });
    let edits = editor.answer("textDocument/formatting", json!({ "textDocument": { "uri": uri }, "options": options }));
    assert_eq!(edits[0]["newText"], MANIFEST);
    let unknown = editor.ask("textDocument/rename", json!({}));
    assert_eq!(unknown.unwrap_err(), "textDocument/rename is not served");
    let wrong = editor.ask("textDocument/hover", json!({ "position": 1 }));
    assert!(wrong.is_err());
    // An editor that is gone without a word is no reason to stay.
    editor.to.flush().unwrap();
    drop(editor.to);
    assert_eq!(editor.server.wait().unwrap().code(), Some(1));
}

#[test]
fn a_test_of_the_site_is_no_manifest() {
    let stage = site();
    let folder = std::fs::canonicalize(stage.site()).unwrap();
    let uri = format!("file://{}/tests/web.kdl", folder.display());
    let mut editor = Editor::start(&stage);
    let text = "test \"web servers have a page\" {\n    host web-1\n    contain (file)\"/srv/page\"\n}\n";
    editor.tell("textDocument/didOpen", json!({ "textDocument": { "uri": uri, "languageId": "kdl", "version": 1, "text": text } }));
    let shown = editor.wait_for(&uri, |shown| shown.as_array().is_some_and(|shown| !shown.is_empty()));
    assert!(shown[0]["message"].as_str().unwrap().contains("contain"), "what is wrong with a test is said: {shown}");
    let place = json!({ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 6 } });
    for method in ["textDocument/completion", "textDocument/hover", "textDocument/definition"] {
        assert_eq!(editor.answer(method, place.clone()), Value::Null, "{method}");
    }
    editor.change(&uri, 2, &text.replace("contain ", "contains "));
    editor.wait_for(&uri, |shown| shown.as_array().is_some_and(Vec::is_empty));
}
