//! The language server: what an editor asks while somebody writes a site, over the Language Server Protocol 3.17.

mod checking;
mod completion;
mod definition;
mod hover;
mod open_files;
mod positions;
mod surroundings;
#[cfg(test)]
mod trial;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keel_manifests::cursor::Cursor;
use keel_manifests::library::LIBRARY_FOLDER;
use keel_manifests::site::Site;
use keel_manifests::site_tests::TESTS_FOLDER;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Notification as _};
use lsp_types::request::{Completion, Formatting, GotoDefinition, HoverRequest, Request as _};
use lsp_types::{
    CompletionItem, CompletionOptions, CompletionParams, CompletionTextEdit, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, DocumentFormattingParams, GotoDefinitionParams, Hover, HoverContents,
    HoverParams, HoverProviderCapability, Location, MarkupContent, MarkupKind, OneOf, SaveOptions, ServerCapabilities, ServerInfo,
    TextDocumentPositionParams, TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions, TextEdit, Uri,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::site_folder::SiteFolder;
use checking::Checked;
use open_files::{OpenSite, Texts};

/// After which characters editors ask what may come, beside letters.
const TRIGGERS: [&str; 5] = ["(", "=", ".", " ", "\""];

/// Serves the editor on standard input and output until it takes its leave.
///
/// # Errors
/// It does not keep to the protocol, or goes without a word.
pub fn serve() -> Result<u8> {
    let (connection, _threads) = Connection::stdio();
    let failed = |error: lsp_server::ProtocolError| Error::host(format!("the editor does not speak the language server protocol: {error}"));
    let (id, _) = connection.initialize_start().map_err(failed)?;
    let about = ServerInfo { name: "keel".to_owned(), version: Some(env!("CARGO_PKG_VERSION").to_owned()) };
    connection.initialize_finish(id, json!({ "capabilities": capabilities(), "serverInfo": about })).map_err(failed)?;
    let mut server = Server { connection: &connection, texts: Texts::new(), sites: BTreeMap::new() };
    // The threads end with the program: what the editor has to hear it has heard.
    server.run().map_err(failed)
}

fn capabilities() -> ServerCapabilities {
    let sync = TextDocumentSyncOptions {
        open_close: Some(true),
        change: Some(TextDocumentSyncKind::FULL),
        save: Some(SaveOptions::default().into()),
        ..TextDocumentSyncOptions::default()
    };
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(sync)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(TRIGGERS.map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

/// What the server knows of the editor.
struct Server<'c> {
    connection: &'c Connection,
    texts: Texts,
    sites: BTreeMap<PathBuf, Checked>,
}

/// A manifest that is asked about.
struct Asked {
    text: Arc<str>,
    cursor: Cursor,
    folder: Option<PathBuf>,
    site: Option<Arc<Site>>,
}

impl Server<'_> {
    /// Answers until the editor takes its leave; returns the program's exit code, 1 if it goes without a word.
    fn run(&mut self) -> std::result::Result<u8, lsp_server::ProtocolError> {
        for message in &self.connection.receiver {
            match message {
                Message::Request(request) if self.connection.handle_shutdown(&request)? => return Ok(0),
                Message::Request(request) => {
                    let answer = self.answer(request);
                    let _ = self.connection.sender.send(Message::Response(answer));
                }
                Message::Notification(notification) => self.hear(&notification),
                Message::Response(_) => {}
            }
        }
        Ok(1)
    }

    fn answer(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let answered = match method.as_str() {
            Completion::METHOD => with(params, |asked| self.complete(&asked)),
            HoverRequest::METHOD => with(params, |asked| self.hover(&asked)),
            GotoDefinition::METHOD => with(params, |asked| self.define(&asked)),
            Formatting::METHOD => with(params, |asked| self.format(&asked)),
            _ => return Response::new_err(id, ErrorCode::MethodNotFound as i32, format!("{method} is not served")),
        };
        match answered {
            Ok(value) => Response::new_ok(id, value),
            Err(why) => Response::new_err(id, ErrorCode::InvalidParams as i32, why),
        }
    }

    fn hear(&mut self, heard: &Notification) {
        let params = &heard.params;
        match heard.method.as_str() {
            DidOpenTextDocument::METHOD => {
                if let Ok(opened) = DidOpenTextDocumentParams::deserialize(params) {
                    self.keep(&opened.text_document.uri, Some(&opened.text_document.text));
                }
            }
            DidChangeTextDocument::METHOD => {
                if let Ok(changed) = DidChangeTextDocumentParams::deserialize(params) {
                    self.keep(&changed.text_document.uri, changed.content_changes.last().map(|change| change.text.as_str()));
                }
            }
            DidCloseTextDocument::METHOD => {
                if let Ok(closed) = DidCloseTextDocumentParams::deserialize(params) {
                    self.keep(&closed.text_document.uri, None);
                }
            }
            DidSaveTextDocument::METHOD => {
                if let Some(path) =
                    DidSaveTextDocumentParams::deserialize(params).ok().and_then(|saved| positions::path(&saved.text_document.uri))
                {
                    self.check(&path);
                }
            }
            _ => {}
        }
    }

    /// Takes over what a file holds in the editor; none where it is not open any more.
    fn keep(&mut self, uri: &Uri, text: Option<&str>) {
        let Some(path) = positions::path(uri).map(|path| std::fs::canonicalize(&path).unwrap_or(path)) else { return };
        match text {
            Some(text) => self.texts.insert(path.clone(), Arc::from(text)),
            None => self.texts.remove(&path),
        };
        self.check(&path);
    }

    /// Has the site checked that a file belongs to.
    fn check(&mut self, path: &Path) {
        let Some(folder) = site_of(path) else { return };
        let open = OpenSite::new(folder, &self.texts);
        let editor = self.connection.sender.clone();
        let begin = || Checked::begin(move |message| drop(editor.send(message)));
        self.sites.entry(open.folder().to_owned()).or_insert_with(begin).change(open);
    }

    fn asked(&self, place: &TextDocumentPositionParams, find: impl Fn(&str, usize) -> Option<Cursor>) -> Option<Asked> {
        let path = positions::path(&place.text_document.uri)?;
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let text = Arc::clone(self.texts.get(&path)?);
        let folder = site_of(&path).map(|site| site.folder().to_owned());
        // The tests of a site have words of their own.
        if folder.as_ref().is_some_and(|folder| path.starts_with(folder.join(TESTS_FOLDER))) {
            return None;
        }
        let cursor = find(&text, positions::offset(&text, place.position))?;
        let site = folder.as_ref().and_then(|folder| self.sites.get(folder)?.site());
        Some(Asked { text, cursor, folder, site })
    }

    fn complete(&self, asked: &CompletionParams) -> Option<Vec<CompletionItem>> {
        let asked = self.asked(&asked.text_document_position, Cursor::at)?;
        let range = positions::range(&asked.text, &asked.cursor.span);
        let offers = completion::offers(&asked.cursor, asked.site.as_deref());
        let item = |offer: completion::Offer| CompletionItem {
            label: offer.text.clone(),
            kind: Some(offer.kind.into()),
            detail: Some(offer.detail).filter(|detail| !detail.is_empty()),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range, offer.text))),
            ..CompletionItem::default()
        };
        Some(offers.into_iter().map(item).collect())
    }

    fn hover(&self, asked: &HoverParams) -> Option<Hover> {
        let asked = self.asked(&asked.text_document_position_params, Cursor::around)?;
        let value = hover::text(&asked.cursor, asked.site.as_deref())?;
        let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::PlainText, value });
        Some(Hover { contents, range: Some(positions::range(&asked.text, &asked.cursor.span)) })
    }

    fn define(&self, asked: &GotoDefinitionParams) -> Option<Vec<Location>> {
        let asked = self.asked(&asked.text_document_position_params, Cursor::around)?;
        let (folder, site) = (asked.folder?, asked.site?);
        let places = definition::places(&asked.cursor, &site).into_iter();
        // Modules of the library are in the program, where no editor can go.
        let places = places.filter(|place| !place.path.starts_with(LIBRARY_FOLDER));
        let location = |place: keel_manifests::lookup::Location| {
            let bytes = site.files().read(&place.path).ok()??;
            let range = positions::range(&String::from_utf8_lossy(&bytes), &place.span);
            Some(Location::new(positions::address(&folder.join(&*place.path))?, range))
        };
        Some(places.filter_map(location).collect())
    }

    fn format(&self, asked: &DocumentFormattingParams) -> Option<Vec<TextEdit>> {
        let path = positions::path(&asked.text_document.uri)?;
        let text = self.texts.get(&std::fs::canonicalize(&path).unwrap_or(path))?;
        let formatted = keel_manifests::fmt::format(&Arc::from("manifest"), text).ok()?;
        let whole = positions::range(text, &(0..text.len()));
        Some(if formatted == **text { Vec::new() } else { vec![TextEdit::new(whole, formatted)] })
    }
}

fn site_of(path: &Path) -> Option<SiteFolder> {
    SiteFolder::find(None, path.parent()?).ok()
}

/// Answers a question of this form; nothing where there is nothing to say.
fn with<P: DeserializeOwned, A: Serialize>(params: Value, answer: impl FnOnce(P) -> Option<A>) -> std::result::Result<Value, String> {
    let params = serde_json::from_value(params).map_err(|error| error.to_string())?;
    serde_json::to_value(answer(params)).map_err(|error| error.to_string())
}
