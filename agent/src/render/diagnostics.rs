//! Diagnostics as text with the manifest's lines, as JSON, as SARIF, and as GitHub's annotations.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use keel_engine::checked::{self, ByteSpan, CheckedSite, FORMAT_VERSION, Finding, LabelledPlace, Position};
use keel_manifests::codes;
use keel_manifests::diagnostic::{Diagnostic, Label, Severity};
use keel_manifests::files::SiteFiles;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, ThemeCharacters, ThemeStyles};
use serde_json::{Value, json};

use super::excerpt::{Excerpt, floor};
use super::paint::Paint;
use super::plain_secrets::concealed;

/// Findings whose lines hold what is not to be shown.
const UNSHOWN: [&str; 2] = [codes::SECRET_FILE, codes::PLAIN_SECRET];

/// The texts of the files that diagnostics point into, read once each.
pub struct Sources {
    texts: BTreeMap<Arc<str>, Arc<str>>,
    /// The same as people may see them.
    shown: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources {
    /// Reads the files that these diagnostics point into.
    pub fn of(diagnostics: &[Diagnostic], site: &dyn SiteFiles) -> Self {
        let mut texts = BTreeMap::new();
        for label in diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
            texts.entry(Arc::clone(&label.file)).or_insert_with(|| {
                let bytes = site.read(&label.file).ok().flatten().unwrap_or_default();
                Arc::from(String::from_utf8_lossy(&bytes))
            });
        }
        let shown = texts.iter().filter(|(file, _)| file.ends_with(".kdl"));
        let shown = shown.map(|(file, text)| (Arc::clone(file), Arc::from(concealed(text)))).collect();
        Self { texts, shown }
    }

    fn text(&self, file: &str) -> &str {
        self.texts.get(file).map_or("", |text| text)
    }

    fn shown(&self, file: &str) -> &str {
        self.shown.get(file).map_or(self.text(file), |text| text)
    }

    /// Where a byte of a file stands.
    pub fn place(&self, file: &str, offset: usize) -> Position {
        let text = self.text(file);
        let before = text.get(..floor(text, offset)).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// Prints diagnostics for people.
pub fn text(diagnostics: &[Diagnostic], sources: &Sources, paint: Paint) -> String {
    let styles = if paint.colour { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_context_lines(1).with_links(false);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let rendered = Rendered::new(diagnostic, sources);
        // Writing to a string cannot fail.
        let _ = handler.render_report(&mut out, &rendered);
        out.push('\n');
    }
    out
}

/// A diagnostic in the form that miette renders: labels of the first file with it, those of other
/// files as related notes.
#[derive(Debug)]
struct Rendered {
    code: Option<String>,
    message: String,
    severity: miette::Severity,
    help: Option<String>,
    source: Option<Excerpt>,
    labels: Vec<LabeledSpan>,
    related: Vec<Rendered>,
}

impl Rendered {
    fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let host = diagnostic.host.as_ref().map(|host| format!(" (host {host})")).unwrap_or_default();
        let mut files: Vec<(Arc<str>, Vec<&Label>)> = Vec::new();
        for label in &diagnostic.labels {
            match files.iter_mut().find(|(file, _)| *file == label.file) {
                Some((_, labels)) => labels.push(label),
                None => files.push((Arc::clone(&label.file), vec![label])),
            }
        }
        let mut files = files.into_iter();
        let mut rendered = Self {
            code: Some(diagnostic.code.to_owned()),
            message: format!("{}{host}", diagnostic.message),
            severity: severity(diagnostic.severity),
            help: (!diagnostic.help.is_empty()).then(|| diagnostic.help.join("\n")),
            source: None,
            labels: Vec::new(),
            related: Vec::new(),
        };
        if let Some((file, labels)) = files.next() {
            rendered.point(&file, &labels, sources);
        }
        rendered.related = files.map(|(file, labels)| Self::elsewhere(&file, &labels, sources)).collect();
        rendered
    }

    fn elsewhere(file: &Arc<str>, labels: &[&Label], sources: &Sources) -> Self {
        let (message, severity) = ("and here".to_owned(), miette::Severity::Advice);
        let mut rendered = Self { code: None, message, severity, help: None, source: None, labels: Vec::new(), related: Vec::new() };
        rendered.point(file, labels, sources);
        rendered
    }

    fn point(&mut self, file: &Arc<str>, labels: &[&Label], sources: &Sources) {
        let text = sources.shown(file);
        let hides = self.code.as_deref().is_some_and(|code| UNSHOWN.contains(&code));
        let excerpt = if hides { Excerpt::new(file, &only(text, labels)) } else { Excerpt::new(file, text) };
        let span = |label: &&Label| {
            let (start, end) = (floor(text, label.span.start), floor(text, label.span.end));
            let end = excerpt.shown_end(start, end);
            LabeledSpan::new((!label.text.is_empty()).then(|| label.text.clone()), start, end.saturating_sub(start))
        };
        self.labels = labels.iter().map(span).collect();
        self.source = Some(excerpt);
    }
}

/// A text with blanks for all that no label stands at, and every byte in its place.
fn only(text: &str, labels: &[&Label]) -> String {
    let labelled = |at: usize| labels.iter().any(|label| label.span.contains(&at));
    let kept =
        |(at, letter): (usize, char)| if letter == '\n' || labelled(at) { letter.to_string() } else { " ".repeat(letter.len_utf8()) };
    text.char_indices().map(kept).collect()
}

fn severity(severity: Severity) -> miette::Severity {
    match severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
        Severity::Note => miette::Severity::Advice,
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rendered {}

impl miette::Diagnostic for Rendered {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.related.iter().map(|related| related as &dyn miette::Diagnostic)))
    }
}

/// Diagnostics as data.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> CheckedSite {
    CheckedSite { format_version: FORMAT_VERSION.to_owned(), diagnostics: findings(diagnostics, sources) }
}

/// Diagnostics as data, one each.
pub fn findings(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<Finding> {
    let one = |diagnostic: &Diagnostic| Finding {
        code: diagnostic.code.to_owned(),
        severity: match diagnostic.severity {
            Severity::Error => checked::Severity::Error,
            Severity::Warning => checked::Severity::Warning,
            Severity::Note => checked::Severity::Note,
        },
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        host: diagnostic.host.clone(),
        labels: diagnostic.labels.iter().map(|label| labelled(label, sources)).collect(),
    };
    diagnostics.iter().map(one).collect()
}

fn labelled(label: &Label, sources: &Sources) -> LabelledPlace {
    let Range { start, end } = label.span;
    LabelledPlace {
        file: label.file.to_string(),
        text: label.text.clone(),
        span: ByteSpan { start, end },
        start: sources.place(&label.file, start),
        end: sources.place(&label.file, end),
    }
}

/// Diagnostics as a SARIF 2.1.0 log, for code scanning.
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let result = |diagnostic: &Diagnostic| {
        let mut text = diagnostic.message.clone();
        diagnostic.help.iter().for_each(|help| text.push_str(&format!("\n{help}")));
        let locations: Vec<Value> = diagnostic.labels.iter().take(1).map(|label| sarif_location(label, sources)).collect();
        json!({ "ruleId": diagnostic.code, "level": diagnostic.severity, "message": { "text": text }, "locations": locations })
    };
    let results: Vec<Value> = diagnostics.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "keel", "version": env!("CARGO_PKG_VERSION"), "rules": rules(diagnostics) } },
            "results": results,
        }],
    })
}

fn rules(diagnostics: &[Diagnostic]) -> Vec<Value> {
    let mut codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rule = |code: &str| {
        let known = keel_manifests::codes::find(code);
        let text = known.map_or(code, |known| known.explanation);
        json!({ "id": code, "name": code, "shortDescription": { "text": known.map_or(code, |known| known.title) }, "fullDescription": { "text": text } })
    };
    codes.into_iter().map(rule).collect()
}

fn sarif_location(label: &Label, sources: &Sources) -> Value {
    let (start, end) = (sources.place(&label.file, label.span.start), sources.place(&label.file, label.span.end));
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": label.file },
        "region": { "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column.max(1) },
    } })
}

/// Diagnostics as the workflow commands that GitHub shows beside the lines of a pull request.
pub fn github(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let one = |diagnostic: &Diagnostic| {
        let word = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let place = diagnostic.labels.first().map(|label| {
            let place = sources.place(&label.file, label.span.start);
            format!(" file={},line={},col={}", property(&label.file), place.line, place.column)
        });
        let title = format!("title={}", diagnostic.code);
        let properties = place.map_or_else(|| format!(" {title}"), |place| format!("{place},{title}"));
        let help: String = diagnostic.help.iter().map(|help| format!("\n{help}")).collect();
        format!("::{word}{properties}::{}\n", command_text(&format!("{}{help}", diagnostic.message)))
    };
    diagnostics.iter().map(one).collect()
}

pub(super) fn command_text(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub(super) fn property(text: &str) -> String {
    command_text(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_manifests::files::MemoryFiles;

    fn sample() -> (Vec<Diagnostic>, Sources) {
        let files = MemoryFiles::new([("manifests/site.kdl", "host a {\n    fil \"/x\"\n}\n")]);
        let file: Arc<str> = Arc::from("manifests/site.kdl");
        let diagnostic = Diagnostic::error("KE0201", "there is no type `fil`").at(&file, 13..16, "here").help("did you mean `file`?");
        let diagnostics = vec![diagnostic];
        let sources = Sources::of(&diagnostics, &files);
        (diagnostics, sources)
    }

    #[test]
    fn a_line_with_a_secret_is_not_shown() {
        let manifest = "host a {\n    git \"/x\" password=\"CANARY\"\n}\n";
        let files = MemoryFiles::new([("manifests/site.kdl", manifest), ("secrets/x.toml", "é = 1\npw = 'CANARY'\n")]);
        let at = |file: &str, code, span| Diagnostic::warning(code, "m").at(&Arc::from(file), span, "here");
        let found = [at("manifests/site.kdl", codes::PLAIN_SECRET, 13..16), at("secrets/x.toml", codes::SECRET_FILE, 7..9)];
        let text = text(&found, &Sources::of(&found, &files), Paint { colour: false });
        assert!(text.contains("git") && text.contains("manifests/site.kdl:2:5") && text.contains("pw"), "{text}");
        assert!(!text.contains("CANARY"), "{text}");
    }

    #[test]
    fn people_see_the_line_and_the_help() {
        let (diagnostics, sources) = sample();
        let text = text(&diagnostics, &sources, Paint { colour: false });
        for part in ["KE0201", "there is no type `fil`", "manifests/site.kdl:2:5", "fil \"/x\"", "here", "did you mean `file`?"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "no colour was asked for");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place_with_its_true_column() {
        let text = format!("host a {{ {} fil \"/x\" {} }}\n", "y ".repeat(3000), "z ".repeat(3000));
        let at = text.find("fil").unwrap();
        let files = MemoryFiles::new([("manifests/site.kdl", text.as_str())]);
        let file: Arc<str> = Arc::from("manifests/site.kdl");
        let diagnostics = vec![Diagnostic::error("KE0201", "there is no type `fil`").at(&file, at..at + 3, "here")];
        let shown = super::text(&diagnostics, &Sources::of(&diagnostics, &files), Paint { colour: false });
        assert!(shown.contains(&format!("manifests/site.kdl:1:{}", at + 1)) && shown.contains("fil \"/x\""), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 250), "{shown}");
    }

    #[test]
    fn machines_see_lines_and_columns() {
        let (diagnostics, sources) = sample();
        assert_eq!(json(&diagnostics, &sources).diagnostics[0].labels[0].start, Position { line: 2, column: 5 });
        let region = &sarif(&diagnostics, &sources)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!((&region["startLine"], &region["endColumn"]), (&json!(2), &json!(8)));
        let annotation = github(&diagnostics, &sources);
        assert_eq!(
            annotation,
            "::error file=manifests/site.kdl,line=2,col=5,title=KE0201::there is no type `fil`%0Adid you mean `file`?\n"
        );
    }
}
