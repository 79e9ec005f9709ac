//! A preview as one page that works from a file: everything is in it, the page can be read without its script,
//! and the script only hides what a search or a filter leaves out.

use std::collections::BTreeSet;
use std::fmt::Write;

use keel_engine::change::{Change, Shown};
use keel_engine::difference::ResourceDifference;
use keel_engine::preview::{Entry, HostState, Preview, Problem};

use super::picture::Picture;
use super::{Pictures, disruption, entry_totals, host_totals, problem, refresh, relation, remark, resource_totals, subject, verb};
use crate::render::change::{hidden, text_of};
use crate::render::counted;
use crate::render::diff;
use crate::render::graph::entities;
use crate::render::paint::{Paint, printable};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing is fetched, from nowhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Hosts that are listed in sight.
const HOSTS_SHOWN: usize = 12;
/// What is shown of the diff of one text, in bytes: a browser has to bear all of them.
const DIFF_BYTES_MAX: usize = 256 * 1024;
/// Resources of one entry that are unfolded from the beginning.
const UNFOLDED_MAX: usize = 12;

/// Makes the page.
pub fn render(preview: &Preview, pictures: &Pictures) -> String {
    let title = format!("keel {} {}", verb(preview), subject(preview));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#changes\">Skip to the changes</a>\n",
        safe(&title)
    );
    head(&mut out, preview);
    filters(&mut out, preview);
    out.push_str("<main id=\"changes\" tabindex=\"-1\">\n");
    problems(&mut out, &preview.problems);
    for (position, entry) in preview.entries.iter().enumerate() {
        entry_section(&mut out, preview, entry, position, pictures);
    }
    unchanged(&mut out, preview);
    let _ = writeln!(
        out,
        "</main>\n<footer>Made by keel {}. {}; {}.</footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION"),
        safe(&host_totals(preview)),
        safe(&resource_totals(preview))
    );
    out
}

/// Text for a page: entities, and no hidden characters.
fn safe(text: &str) -> String {
    entities(&printable(text)).replace('\'', "&#39;")
}

fn head(out: &mut String, preview: &Preview) {
    let _ = writeln!(
        out,
        "<header>\n<p class=\"site\">{}</p>\n<h1>keel {} <code>{}</code></h1>\n<ul class=\"totals\">",
        safe(&preview.site),
        verb(preview),
        safe(&subject(preview))
    );
    let tile = |out: &mut String, class: &str, count: usize, words: &str| {
        let _ = writeln!(out, "<li class=\"{class}\"><b>{count}</b> {}</li>", safe(words));
    };
    for (state, count) in &preview.totals.states {
        tile(out, class(*state), *count, &format!("{} {}", if *count == 1 { "host" } else { "hosts" }, preview.words(*state)));
    }
    for (fate, count) in &preview.totals.fates {
        tile(out, fate.word(), *count, fate.word());
    }
    tile(out, "refreshes", preview.totals.refreshes, "refreshed");
    let interrupted = if preview.totals.disruptions > 0 { "disruption" } else { "none" };
    tile(out, interrupted, preview.totals.disruptions, if preview.totals.disruptions == 1 { "disruption" } else { "disruptions" });
    out.push_str("</ul>\n</header>\n");
}

fn class(state: HostState) -> &'static str {
    match state {
        HostState::Broken => "broken",
        HostState::Silent => "silent",
        HostState::Mended => "mended",
        HostState::Changed => "changed",
        HostState::Added => "added",
        HostState::Removed => "removed",
        HostState::Unchanged => "unchanged",
    }
}

fn filters(out: &mut String, preview: &Preview) {
    let groups: BTreeSet<&str> = preview.groups.values().flatten().map(String::as_str).collect();
    let resources = preview.entries.iter().flat_map(|entry| &entry.difference.resources);
    let types: BTreeSet<&str> = resources.map(|one| &*one.address.type_name).collect();
    let options = |names: BTreeSet<&str>| -> String {
        names.into_iter().map(|name| format!("<option value=\"{0}\">{0}</option>", safe(name))).collect()
    };
    let _ = writeln!(
        out,
        "<form id=\"filters\" role=\"search\">\n\
         <label>Search <input id=\"q\" type=\"search\" placeholder=\"host, resource, text (press /)\" autocomplete=\"off\"></label>\n\
         <label>Group <select id=\"group\"><option value=\"\">every group</option>{}</select></label>\n\
         <label>Type <select id=\"type\"><option value=\"\">every type</option>{}</select></label>\n\
         <button type=\"reset\">Clear</button>\n<output id=\"count\" for=\"q group type\" aria-live=\"polite\"></output>\n</form>",
        options(groups),
        options(types)
    );
}

fn entry_section(out: &mut String, preview: &Preview, entry: &Entry, position: usize, pictures: &Pictures) {
    let groups = entry.hosts.iter().filter_map(|host| preview.groups.get(host)).flatten();
    let groups: BTreeSet<&str> = groups.map(String::as_str).collect();
    let groups = groups.into_iter().collect::<Vec<_>>().join(" ");
    let name = match entry.hosts.as_slice() {
        [one] => safe(one),
        several => counted(several.len(), "host"),
    };
    let _ = writeln!(
        out,
        "<section class=\"entry {0}\" data-groups=\"{1}\" aria-labelledby=\"entry-{position}\">\n\
         <h2 id=\"entry-{position}\">{name} <span class=\"badge {0}\">{2}</span></h2>\n<p class=\"sum\">{3}</p>",
        class(entry.state),
        safe(&groups),
        safe(preview.words(entry.state)),
        safe(&entry_totals(preview, entry))
    );
    host_list(out, &entry.hosts);
    problems(out, &entry.problems);
    list(out, "disruptions", "Disruptions", entry.difference.disruptions.iter().map(disruption));
    let unfolded = entry.difference.resources.len() <= UNFOLDED_MAX;
    entry.difference.resources.iter().for_each(|one| resource(out, one, unfolded));
    list(out, "refreshes", "Refreshes that follow", entry.difference.refreshes.iter().map(refresh));
    list(out, "relations", "Relations", entry.difference.relations.iter().map(|one| format!("{}   {}", relation(one), one.origin)));
    if !entry.difference.settings.is_empty() {
        out.push_str("<div class=\"list\"><h3>Settings</h3>\n");
        changes(out, &entry.difference.settings);
        out.push_str("</div>\n");
    }
    if let Some((host, picture)) = entry.hosts.first().and_then(|host| Some((host, pictures.get(host)?))) {
        graph(out, host, picture);
    }
    out.push_str("</section>\n");
}

fn host_list(out: &mut String, hosts: &[String]) {
    let names = |hosts: &[String]| hosts.iter().map(|host| format!("<li>{}</li>", safe(host))).collect::<String>();
    let (shown, rest) = hosts.split_at(hosts.len().min(HOSTS_SHOWN));
    let _ = writeln!(out, "<ul class=\"hosts\" aria-label=\"Hosts\">{}</ul>", names(shown));
    if !rest.is_empty() {
        let _ = writeln!(
            out,
            "<details class=\"more\"><summary>and {} more</summary><ul class=\"hosts\">{}</ul></details>",
            rest.len(),
            names(rest)
        );
    }
}

fn problems(out: &mut String, found: &[Problem]) {
    if found.is_empty() {
        return;
    }
    out.push_str("<ul class=\"problems\">\n");
    for one in found {
        let help: String = one.help.iter().map(|help| format!("<br><span class=\"try\">try: {}</span>", safe(help))).collect();
        let _ = writeln!(out, "<li>{}{help}</li>", safe(&problem(one)));
    }
    out.push_str("</ul>\n");
}

fn list(out: &mut String, class: &str, title: &str, items: impl Iterator<Item = String>) {
    let items: String = items.map(|item| format!("<li>{}</li>\n", safe(&item))).collect();
    if !items.is_empty() {
        let _ = writeln!(out, "<div class=\"list {class}\"><h3>{title}</h3>\n<ul>\n{items}</ul></div>");
    }
}

fn resource(out: &mut String, one: &ResourceDifference, unfolded: bool) {
    let open = if unfolded { " open" } else { "" };
    let _ = writeln!(
        out,
        "<details class=\"resource {0}\" data-type=\"{1}\"{open}>\n<summary><span class=\"glyph\" aria-hidden=\"true\">{2}</span> \
         <code>{3}</code> <span class=\"remark\">{4}</span> <span class=\"origin\">{5}</span></summary>",
        one.fate.word(),
        safe(&one.address.type_name),
        one.fate.glyph(),
        safe(&one.address.to_string()),
        safe(&remark(one)),
        safe(&one.origin)
    );
    if !one.changes.is_empty() {
        changes(out, &one.changes);
    }
    out.push_str("</details>\n");
}

fn changes(out: &mut String, changes: &[Change]) {
    out.push_str("<table><thead class=\"quiet\"><tr><th scope=\"col\">attribute</th><th scope=\"col\">before</th><th scope=\"col\">after</th></tr></thead>\n<tbody>\n");
    for change in changes {
        let Change { attribute, before, after, .. } = change;
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", safe(attribute));
        let is_text = matches!(before, Shown::Text(_)) || matches!(after, Shown::Text(_));
        match (before, after, text_of(before), text_of(after)) {
            (_, _, Some(before), Some(after)) if is_text => diff_cell(out, &before, &after),
            (Shown::Hidden, _, _, _) | (_, Shown::Hidden, _, _) => {
                let _ = write!(out, "<td colspan=\"2\">{}</td>", hidden(before, after));
            }
            _ => {
                let _ = write!(out, "<td class=\"before\">{}</td><td class=\"after\">{}</td>", value(before), value(after));
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

fn value(shown: &Shown) -> String {
    match shown {
        Shown::Absent => "<span class=\"quiet\">—</span>".to_owned(),
        other => format!("<code>{}</code>", safe(&other.summary())),
    }
}

fn diff_cell(out: &mut String, before: &str, after: &str) {
    out.push_str("<td colspan=\"2\"><pre class=\"diff\">");
    let lines = diff::lines(before, after, Paint { colour: false }, true);
    let mut room = DIFF_BYTES_MAX;
    for (position, line) in lines.iter().enumerate() {
        room = room.saturating_sub(line.len());
        if room == 0 {
            let _ = writeln!(out, "<span class=\"at\">... {} more lines, --format text --full shows them</span>", lines.len() - position);
            break;
        }
        let class = match line.chars().next() {
            Some('+') => "ins",
            Some('-') => "del",
            Some('@') => "at",
            _ => "ctx",
        };
        let _ = writeln!(out, "<span class=\"{class}\">{}</span>", safe(line));
    }
    out.push_str("</pre></td>");
}

fn graph(out: &mut String, host: &str, picture: &Picture) {
    let orders: String = picture
        .orders
        .iter()
        .map(|(from, to)| format!("<li>{} before {}</li>\n", safe(&from.to_string()), safe(&to.to_string())))
        .collect();
    let left =
        if picture.left_out > 0 { format!("<p class=\"sum\">{} more are not drawn.</p>\n", picture.left_out) } else { String::new() };
    let _ = writeln!(
        out,
        "<details class=\"graph\"><summary>Dependency graph of {}: what changes, and what stands right before and behind it</summary>\n\
         <div class=\"scroll\" tabindex=\"0\">{}</div>\n{left}<details class=\"more\"><summary>as a list</summary><ul>\n{orders}</ul></details>\n</details>",
        safe(host),
        picture.svg
    );
}

fn unchanged(out: &mut String, preview: &Preview) {
    if preview.unchanged.is_empty() {
        return;
    }
    let groups: BTreeSet<&str> =
        preview.unchanged.iter().filter_map(|host| preview.groups.get(host)).flatten().map(String::as_str).collect();
    let _ = writeln!(
        out,
        "<section class=\"entry unchanged\" data-groups=\"{}\" aria-labelledby=\"unchanged\">\n<h2 id=\"unchanged\">{} <span class=\"badge unchanged\">{}</span></h2>",
        safe(&groups.into_iter().collect::<Vec<_>>().join(" ")),
        counted(preview.unchanged.len(), "host"),
        preview.words(HostState::Unchanged)
    );
    host_list(out, &preview.unchanged);
    out.push_str("</section>\n");
}
