//! `block`: some lines of a text file between two markers.

use std::borrow::Cow;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::text::Text;

use crate::ensure::Ensure;
use crate::host::Host;
use crate::text_file::{Content, Texts, edit_text, join_lines, line_ending, part_footprint};
use crate::text_part::text_part;

text_part! {
    /// Some lines of a text file, kept between two marker lines; the rest of the file is not touched.
    ///
    ///     block "cluster" path="/etc/hosts.allow" content="sshd: 10.0.0.0/8\ncrmd: 10.0.0.0/8\n"
    ///     block "tuning" path="/etc/my.cnf" comment=";" after="^\\[mysqld\\]" content="max_connections = 500\n"
    pub struct Block: "block" {
        /// What the markers call it: `# BEGIN cluster` and `# END cluster`.
        [title] pub name: String,
        /// The file.
        pub path: AbsolutePath,
        /// The lines between the markers. May hold a secret.
        pub content: Option<Text>,
        /// What starts a comment in this file.
        pub comment: String = "#".to_owned(),
        /// What ends a comment, where that is needed: `-->`.
        pub comment_end: Option<String>,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Block) -> Vec<AttributeError> {
    let mut errors = desired.part().check();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    refuse(desired.name.contains(['\n', '\r']) || desired.name.trim().is_empty(), "name", "is one line of text");
    refuse(desired.comment.contains('\n') || desired.comment.trim().is_empty(), "comment", "is what starts a comment, such as \"#\"");
    refuse(desired.ensure == Ensure::Present && desired.content.is_none(), "content", "is required and not given");
    if let Some(Text::Plain(content)) = &desired.content
        && let Some(marker) = own_marker(content, desired)
    {
        errors.push(AttributeError::new("content", format!("holds the block's own marker {marker:?}")).help(MARKER_HELP));
    }
    errors
}

/// The type `block`.
pub struct BlockType;

/// What stands between the markers.
#[derive(Debug, PartialEq)]
pub struct Observed {
    /// As people may see it; none without markers.
    before: Option<Shown>,
    after: Shown,
    is_right: bool,
}

impl ResourceType for BlockType {
    type Host = Host;
    type Desired = Block;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Block]) -> Vec<Result<Observed, ObserveError>> {
        let texts = Texts::read(host, desired.iter().map(|desired| &desired.path));
        desired.iter().map(|desired| observe(host, desired, texts.get(&desired.path)?)).collect()
    }

    fn diff(&self, desired: &Block, observed: &Observed) -> Vec<Change> {
        match (&observed.before, desired.ensure) {
            _ if observed.is_right => vec![],
            (None, _) => vec![Change::create("content", observed.after.clone())],
            (Some(before), Ensure::Present) => vec![Change::update("content", before.clone(), observed.after.clone())],
            (Some(before), Ensure::Absent) => vec![Change::delete("content", before.clone())],
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let wanted = wanted_lines(host, desired)?;
        let content = if is_secret(desired) { Content::Secret } else { Content::Open };
        edit_text(host, desired.path.as_path(), content, |text| {
            let found = find(text, desired)?;
            Ok(Some(rewrite(text, desired, found, wanted.as_deref())))
        })
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Block) -> Footprint {
        let path = &desired.path;
        part_footprint(path, desired.part().makes_file()).write(format!("path:{path}#block:{}", desired.name))
    }
}

fn is_secret(desired: &Block) -> bool {
    desired.content.as_ref().is_some_and(Text::is_secret)
}

/// The wanted text with its last line ended; none for a block that shall go.
fn wanted_lines(host: &Host, desired: &Block) -> Result<Option<String>, Failure> {
    let Some(content) = desired.content.as_ref().filter(|_| desired.ensure == Ensure::Present) else { return Ok(None) };
    let bytes = content.bytes(host.contents()).map_err(Failure::new)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new("the content is not UTF-8"))?;
    if let Some(marker) = own_marker(text, desired) {
        return Err(Failure::new(format!("the content of block {:?} holds its own marker {marker:?}", desired.name)).help(MARKER_HELP));
    }
    Ok(Some(text.lines().map(|line| format!("{line}\n")).collect()))
}

fn observe(host: &Host, desired: &Block, text: Option<&str>) -> Result<Observed, ObserveError> {
    let text = desired.part().text(host, text)?;
    let wanted = wanted_lines(host, desired)?;
    let found = find(text, desired)?;
    let inside =
        found.map(|found| -> String { text.lines().take(found.end).skip(found.start + 1).map(|line| format!("{line}\n")).collect() });
    let is_right = inside == wanted;
    let show = |text: &str| if is_secret(desired) { Shown::Hidden } else { Shown::bytes(text.as_bytes()) };
    Ok(Observed { before: inside.as_deref().map(show), after: wanted.as_deref().map_or(Shown::Absent, show), is_right })
}

/// The lines of the two markers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Markers {
    start: usize,
    end: usize,
}

fn marker(desired: &Block, word: &str) -> String {
    let end = desired.comment_end.as_ref().map(|end| format!(" {end}")).unwrap_or_default();
    format!("{} {word} {}{end}", desired.comment, desired.name)
}

const MARKER_HELP: &str = "the next run could not tell where the block ends; give the block another title";

/// The line of a content that would be taken for one of the markers.
fn own_marker(content: &str, desired: &Block) -> Option<String> {
    let markers = ["BEGIN", "END"].map(|word| marker(desired, word));
    markers.into_iter().find(|marker| content.lines().any(|line| line.trim() == marker))
}

fn find(text: &str, desired: &Block) -> Result<Option<Markers>, Failure> {
    let positions = |word| {
        let marker = marker(desired, word);
        text.lines().enumerate().filter(|(_, line)| line.trim() == marker).map(|(at, _)| at).collect::<Vec<_>>()
    };
    match (positions("BEGIN").as_slice(), positions("END").as_slice()) {
        ([], []) => Ok(None),
        ([start], [end]) if start < end => Ok(Some(Markers { start: *start, end: *end })),
        _ => {
            Err(Failure::new(format!("the markers of block {:?} in {} are not one BEGIN and one END after it", desired.name, desired.path))
                .help("somebody edited them; put them right, or remove them and the block is written anew"))
        }
    }
}

fn rewrite(text: &str, desired: &Block, found: Option<Markers>, wanted: Option<&str>) -> String {
    let mut lines: Vec<Cow<'_, str>> = text.lines().map(Cow::from).collect();
    let at = match found {
        Some(found) => {
            lines.drain(found.start..=found.end);
            found.start
        }
        None => desired.part().insertion_point(&lines),
    };
    if let Some(wanted) = wanted {
        let inside = wanted.lines().map(Cow::from);
        let block = std::iter::once(marker(desired, "BEGIN").into()).chain(inside).chain([marker(desired, "END").into()]);
        lines.splice(at..at, block);
    }
    join_lines(&lines, line_ending(text))
}

#[cfg(test)]
mod tests {
    use keel_engine::secret::Secret;
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    fn check(before: &str, attributes: &[(&str, &str)], after: &str) -> Vec<String> {
        let trial = Trial::new();
        trial.write("/f", before);
        let attributes: Vec<_> =
            attributes.iter().map(|(name, text)| (*name, Value::from(*text))).chain([("path", Value::from("/f"))]).collect();
        let changes = trial.converge(&BlockType, "b", &attributes).unwrap();
        assert_eq!(trial.read("/f"), after);
        changes
    }

    #[test]
    fn a_block_is_added_changed_and_removed() {
        assert_eq!(check("a\n", &[("content", "x\ny")], "a\n# BEGIN b\nx\ny\n# END b\n"), ["+ content: absent -> 2 lines"]);
        let present = "a\n# BEGIN b\nx\n# END b\nz\n";
        assert_eq!(check(present, &[("content", "x\n")], present), Vec::<String>::new());
        assert_eq!(check(present, &[("content", "1\n2\n3\n")], "a\n# BEGIN b\n1\n2\n3\n# END b\nz\n"), ["~ content: 1 line -> 3 lines"]);
        assert_eq!(check(present, &[("ensure", "absent")], "a\nz\n"), ["- content: 1 line -> absent"]);
        assert_eq!(check("a\n", &[("ensure", "absent")], "a\n"), Vec::<String>::new());
    }

    #[test]
    fn a_block_stands_where_it_is_put_with_the_files_comments() {
        check("[a]\n[b]\n", &[("content", "x"), ("after", "^\\[a"), ("comment", ";")], "[a]\n; BEGIN b\nx\n; END b\n[b]\n");
        check(
            "a\n",
            &[("content", "x"), ("before", "^a"), ("comment", "<!--"), ("comment_end", "-->")],
            "<!-- BEGIN b -->\nx\n<!-- END b -->\na\n",
        );
        check("a\r\n", &[("content", "x")], "a\r\n# BEGIN b\r\nx\r\n# END b\r\n");
    }

    #[test]
    fn damaged_markers_are_an_error_and_nothing_is_lost() {
        for text in ["# BEGIN b\nx\n", "# END b\n# BEGIN b\n", "# BEGIN b\n# END b\n# BEGIN b\n# END b\n"] {
            let trial = Trial::new();
            trial.write("/f", text);
            let error = trial.plan(&BlockType, "b", &[("path", Value::from("/f")), ("content", Value::from("y"))]).unwrap_err();
            assert!(error.contains("not one BEGIN and one END"), "{error}");
        }
    }

    #[test]
    fn a_content_that_would_end_the_block_is_refused() {
        let attributes = |content: Value| [("path", Value::from("/f")), ("content", content), ("create", Value::Bool(true))];
        let text = "x\n  # END b\ny\n";
        assert!(Trial::refuses::<BlockType>("b", &attributes(Value::from(text))).contains("own marker \"# END b\""));
        let secret = attributes(Value::Secret(Secret::new(text.to_owned())));
        assert!(Trial::new().plan(&BlockType, "b", &secret).unwrap_err().contains("its own marker"));
        assert_eq!(Trial::new().plan(&BlockType, "b", &attributes(Value::from("# END c\n"))).unwrap().len(), 1);
    }

    #[test]
    fn a_secret_block_is_hidden_and_its_new_file_private() {
        use std::os::unix::fs::MetadataExt;
        let trial = Trial::new();
        let secret = Value::Secret(Secret::new("canary".to_owned()));
        let attributes = [("path", Value::from("/f")), ("content", secret), ("create", Value::Bool(true))];
        assert_eq!(trial.converge(&BlockType, "b", &attributes).unwrap(), ["+ content: absent -> (secret)"]);
        assert_eq!(trial.path("/f").metadata().unwrap().mode() & 0o777, 0o600);
    }
}
