//! A preview as the workflow commands that GitHub shows beside the lines of a pull request. It shows ten of a
//! level, so what stands in the way comes first, then what interrupts, then the rest.

use keel_engine::difference::Fate;
use keel_engine::preview::{HostState, Level, Place, Preview, Problem};

use super::{address, disruption, on_hosts, place_of, problem, remark};
use crate::render::diagnostics::{command_text, property};

/// Prints a preview.
pub fn render(preview: &Preview) -> String {
    let mut errors: Vec<String> = preview.problems.iter().map(|one| of_problem(preview, one, "")).collect();
    let (mut warnings, mut notices) = (Vec::new(), Vec::new());
    for entry in &preview.entries {
        let hosts = on_hosts(entry);
        errors.extend(entry.problems.iter().map(|one| of_problem(preview, one, &format!("\n{hosts}"))));
        if entry.state == HostState::Silent {
            errors.push(command(preview, "error", "no answer in time", &hosts, None));
        }
        let declared = |address: &_| entry.difference.resources.iter().find(|one| one.address == *address);
        for one in &entry.difference.disruptions {
            let source = declared(&one.address)
                .or_else(|| one.sources.iter().filter(|cause| cause.host.is_none()).find_map(|cause| declared(&cause.address)));
            let place = source.and_then(|one| place_of(&one.origin));
            warnings.push(command(preview, "warning", "disruption", &format!("{}\n{hosts}", disruption(one)), place));
        }
        for one in &entry.difference.resources {
            let level = if one.fate == Fate::Failed { "error" } else { "notice" };
            let text = format!("{} {}: {}\n{hosts}", one.fate.glyph(), address(&one.address), remark(one));
            let line = command(preview, level, one.fate.word(), &text, place_of(&one.origin));
            if one.fate == Fate::Failed { &mut errors } else { &mut notices }.push(line);
        }
    }
    errors.into_iter().chain(warnings).chain(notices).collect()
}

fn of_problem(preview: &Preview, one: &Problem, hosts: &str) -> String {
    let level = match one.level {
        _ if one.in_base => "notice",
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    };
    let help: String = one.help.iter().map(|help| format!("\n{help}")).collect();
    let text = format!("{}{help}{hosts}", problem(one));
    command(preview, level, one.code.as_deref().unwrap_or("problem"), &text, one.place.clone())
}

fn command(preview: &Preview, level: &str, title: &str, text: &str, place: Option<Place>) -> String {
    let place = place.filter(|place| !place.file.starts_with('('));
    let place = place.map(|place| {
        let file = property(&format!("{}{}", preview.folder, place.file));
        format!("file={file},line={},col={},", place.line, place.column)
    });
    format!("::{level} {}title={}::{}\n", place.unwrap_or_default(), property(&format!("keel: {title}")), command_text(text))
}
