//! `keel inspect`.

use std::path::{PathBuf, absolute};

use clap::Args;
use keel_engine::address::Address;
use keel_engine::resource::{AnyType, Described, Failure};
use keel_engine::value::Map;
use keel_manifests::diagnostic::did_you_mean;
use keel_resources::host::Host;
use keel_resources::pacemaker::FAMILY;
use keel_resources::pacemaker::inventory::{passwords, unsayable};
use serde::Serialize;

use crate::cli::{Context, print, print_error, print_json};
use crate::error::{Error, Result};
use crate::keepable;
use crate::render::manifest::manifest;

/// Print what is on this host as a manifest that would keep it.
///
/// What is printed plans to nothing here: the way in for hosts that exist already. What no manifest can keep as it is
/// is left out, and said on standard error. Passwords and other secrets are never printed, but for those that are in the
/// configuration of a cluster (`pcmk_...`): standard error names what looks like one. What can be anywhere is not
/// listed: give the path of the file (`file`, `ini`, `json_file`, `xml_value` and others) of the checkout (`git`) or
/// of the environment of Python (`pip`) that you mean. What only a manifest can know (`exec`, `line`, `wait` and others) is refused.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel inspect user ada\n  keel inspect --all > manifests/web-1.kdl\n  keel inspect pcmk --cib cib.xml > manifests/cluster.kdl"
)]
pub struct Arguments {
    /// The resource type, or `pcmk` for the whole configuration of a Pacemaker cluster.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "TYPE")]
    type_name: Option<String>,
    /// The title of one thing; without it, everything of the type.
    #[arg(value_name = "TITLE")]
    title: Option<String>,
    /// Everything of every type that can be listed.
    #[arg(long)]
    all: bool,
    /// The folder that is treated as the host's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// A file that is taken for the cluster's configuration, as `cibadmin --query` writes it.
    #[arg(long, value_name = "FILE")]
    cib: Option<PathBuf>,
    /// Print JSON: a list of types, titles and attributes.
    #[arg(long)]
    json: bool,
}

/// What was found of one type.
struct Found {
    type_name: &'static str,
    title_attribute: &'static str,
    /// What has to be named where there is no list.
    asked_by: Option<&'static str>,
    things: Vec<Described>,
    /// What is there and is not among them, each with the reason.
    left: Vec<String>,
}

/// A thing as data.
#[derive(Serialize)]
struct Printed<'a> {
    r#type: &'a str,
    title: &'a str,
    attributes: &'a Map,
}

impl<'a> Printed<'a> {
    fn of(type_name: &'a str, thing: &'a Described) -> Self {
        Self { r#type: type_name, title: &thing.title, attributes: &thing.attributes }
    }
}

/// Runs it.
///
/// # Errors
/// There is no such type or thing, the type cannot be listed, or the host cannot be read.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let host = Host::new(&arguments.root);
    let host = match &arguments.cib {
        Some(file) => host.with_cib(absolute(file).unwrap_or_else(|_| file.clone())),
        None => host,
    };
    let found = match &arguments.type_name {
        Some(name) if name == FAMILY => whole_cluster(&host)?,
        Some(name) => vec![one_type(&host, name, arguments.title.as_deref())?],
        None => all_types(&host, context),
    };
    let label = context.paint_errors().yellow("left out:");
    found.iter().flat_map(|found| &found.left).for_each(|left| print_error(&format!("{label} {left}\n")));
    say_passwords(&found, context);
    if arguments.json {
        let things = found.iter().flat_map(|found| found.things.iter().map(|thing| Printed::of(found.type_name, thing)));
        print_json(&things.collect::<Vec<_>>())?;
        return Ok(0);
    }
    let texts: Vec<String> = found.iter().map(|found| manifest(found.type_name, found.title_attribute, &found.things)).collect();
    print(&texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

fn one_type(host: &Host, name: &str, title: Option<&str>) -> Result<Found> {
    let types = keel_resources::all();
    let kind = types.iter().find(|kind| kind.schema().name == name).ok_or_else(|| {
        let hint = did_you_mean(name, types.iter().map(|kind| kind.schema().name));
        Error::usage(format!("there is no resource type {name}")).hint_if(hint.or_else(|| Some("keel doc lists all types".to_owned())))
    })?;
    let found = look(host, *kind, title)?.ok_or_else(|| {
        let able = types.iter().filter(|kind| !matches!(kind.describe(host, None), Ok(None))).map(|kind| kind.schema().name);
        let listed = able.collect::<Vec<_>>().join(", ");
        Error::usage(format!("what {name} manages cannot be listed: {}", unlistable(host))).hint(format!("these can: {listed}"))
    })?;
    match (title, found.asked_by) {
        (None, Some(asked)) if found.things.is_empty() && found.left.is_empty() => {
            Err(Error::usage(format!("no {name} is listed here, but one that you know of may be found by its path"))
                .hint(format!("keel inspect {name} {asked}")))
        }
        (Some(title), asked) if found.things.is_empty() => {
            let unkept = (!found.left.is_empty()).then(|| format!("no manifest could keep {}", found.left.join("; ")));
            let other = asked.map_or_else(|| format!("keel inspect {name}"), |asked| format!("keel inspect {name} {asked}"));
            Err(Error::host(unkept.unwrap_or_else(|| format!("there is no {name} {title:?} here"))).hint(other))
        }
        _ => Ok(found),
    }
}

/// A manifest that keeps a cluster as it is has to have its passwords, and whoever keeps the manifest should know.
fn say_passwords(found: &[Found], context: &Context) {
    let label = context.paint_errors().yellow("in clear:");
    for of_cluster in found.iter().filter(|found| found.type_name.starts_with("pcmk_")) {
        for thing in &of_cluster.things {
            let places = passwords(thing).join(", ");
            if !places.is_empty() {
                let address = Address::new(of_cluster.type_name, &*thing.title);
                print_error(&format!(
                    "{label} {address}: {places} may be a password; before it goes into git, put a secret in its place\n"
                ));
            }
        }
    }
}

/// Everything of a cluster's configuration, or nothing: what no manifest can say would be lost.
fn whole_cluster(host: &Host) -> Result<Vec<Found>> {
    let failed = |failure: Failure| Error::host(failure.message).hint_if(failure.help);
    let odd = unsayable(host).map_err(failed)?;
    if !odd.is_empty() {
        let message = format!("manifests cannot say everything that is in the cluster's configuration: {}", odd.join("; "));
        return Err(Error::host(message).hint("single types can still be inspected: keel inspect pcmk_primitive"));
    }
    let types = keel_resources::all().into_iter().filter(|kind| kind.family() == Some(FAMILY));
    types.filter_map(|kind| look(host, kind, None).transpose()).collect()
}

/// What cannot be read is said, and left out; so are the types that have no list here.
fn all_types(host: &Host, context: &Context) -> Vec<Found> {
    let (mut all, mut unlisted, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    for kind in keel_resources::all() {
        let name = kind.schema().name;
        match look(host, kind, None) {
            Ok(None) => unlisted.push(name),
            Ok(Some(found)) if found.things.is_empty() && found.left.is_empty() && found.asked_by.is_some() => asked.push(name),
            Ok(Some(found)) => all.push(found),
            Err(error) => {
                let label = context.paint_errors().yellow("warning:");
                print_error(&format!("{label} {name} is left out: {error}\n"));
            }
        }
    }
    let label = context.paint_errors().yellow("not listed:");
    for (names, why) in [(asked, "one that you know of may be found by its path"), (unlisted, unlistable(host))] {
        if !names.is_empty() {
            print_error(&format!("{label} {}: {why}\n", names.join(", ")));
        }
    }
    all
}

/// Why a type has no list.
fn unlistable(host: &Host) -> &'static str {
    if host.is_machine() {
        "only a manifest knows what belongs to it"
    } else {
        "only a manifest knows what belongs to it, or only a whole host, without --root"
    }
}

fn look(host: &Host, kind: &'static dyn AnyType<Host>, title: Option<&str>) -> Result<Option<Found>> {
    let schema = kind.schema();
    let described = kind.describe(host, title).map_err(|failure| Error::host(failure.message.clone()).hint_if(failure.help.clone()))?;
    let Some(things) = described else { return Ok(None) };
    let unsaid = if title.is_none() { keepable::unsaid(host, kind, &things) } else { Vec::new() };
    let (things, mut left) = keepable::sift(host, kind, things);
    left.extend(unsaid);
    let (type_name, title_attribute) = (schema.name, schema.title_attribute);
    Ok(Some(Found { type_name, title_attribute, asked_by: kind.asked_by(), things, left }))
}
