//! Where the value of a variable or a module's parameter comes from.

use keel_manifests::diagnostic::did_you_mean;
use keel_manifests::explanation::{Candidate, ExplainedParameter, Explanation};
use keel_manifests::site::Site;
use serde_json::json;

use super::Arguments;
use crate::cli::{Context, print, print_json};
use crate::commands::target::{self, FactSource};
use crate::error::{Error, Result};
use crate::render::paint::{Paint, printable};

pub(super) fn explain(arguments: &Arguments, context: &Context) -> Result<()> {
    // The catalog is not needed: a variable can be explained while the manifests are still wrong.
    let (loaded, host) = target::load_host(arguments.site.as_deref(), &arguments.host, FactSource::Recorded, context)?;
    let explained = loaded.site.explain(&host, &arguments.what);
    let explanation = explained.map_err(|error| Error::site(format!("{} cannot be evaluated: {error}", arguments.what)))?;
    // The table of a misspelt name may be there.
    let found = explanation.filter(|explanation| explanation.value.is_some() || explanation.parameter.is_some());
    let explanation = found.ok_or_else(|| {
        Error::usage(format!("host {host} has no variable {}", arguments.what)).hint(advice(&loaded.site, &host, &arguments.what))
    })?;
    if arguments.json { print_json(&explanation_json(&explanation)) } else { print(&explanation_text(&explanation, context.paint())) }
}

/// What somebody may have meant who asked for what is not there.
fn advice(site: &Site, host: &str, what: &str) -> String {
    if let Some(parameters) = site.parameters_of(what) {
        let names: Vec<String> = parameters.iter().map(|name| format!("{what}.{name}")).collect();
        return format!("{what} is a module: '(module){what}', or one of its parameters, {}", names.join(", "));
    }
    let names = site.names_beside(host, what);
    let near = did_you_mean(what, names.iter().map(String::as_str));
    near.unwrap_or_else(|| "a variable's name, (type)title for a resource, or a code such as KE0101".to_owned())
}

fn explanation_json(explanation: &Explanation) -> serde_json::Value {
    let candidate = |candidate: &Candidate| {
        json!({
            "tier": candidate.tier, "group": candidate.group, "file": candidate.file, "line": candidate.line,
            "value": candidate.value, "winner": candidate.winner, "why": candidate.why,
        })
    };
    let candidates: Vec<_> = explanation.candidates.iter().map(candidate).collect();
    json!({ "format_version": "1.0", "key": explanation.key, "host": explanation.host, "value": explanation.value,
        "parameter": explanation.parameter, "candidates": candidates })
}

fn explanation_text(explanation: &Explanation, paint: Paint) -> String {
    let value = explanation.value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let mut text = format!("{} = {}   on {}\n", paint.bold(&explanation.key), printable(&value), explanation.host);
    text.push_str(&explanation.parameter.as_ref().map_or_else(String::new, parameter_text));
    // The strongest first: that is the one people look for.
    for candidate in explanation.candidates.iter().rev() {
        let mark = if candidate.winner { paint.green(">") } else { " ".to_owned() };
        let group = candidate.group.as_ref().map(|group| format!(" {group}")).unwrap_or_default();
        let place = paint.dim(&format!("{}:{}", candidate.file, candidate.line));
        let value = printable(&candidate.value.to_string());
        text.push_str(&format!("{mark} {}{group}  {value}  {place}\n      {}\n", candidate.tier, candidate.why));
    }
    text
}

fn parameter_text(parameter: &ExplainedParameter) -> String {
    let used = parameter.used.as_ref().map_or_else(|| "which this host does not use".to_owned(), |place| format!("used in {place}"));
    format!("  a parameter ({}) of module {}, {used}\n", parameter.kind, parameter.module)
}
