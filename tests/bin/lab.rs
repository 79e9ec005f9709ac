//! The lab for people: `lab up n1 n2` holds nodes up; from another terminal `lab exec n1 CMD`, `lab
//! kill n1` and the like reach them, and `lab down` takes them down.

use std::io::Write;
use std::process::ExitCode;

use keel_tests::lab::{Image, Lab, Node, Place, Result, take_down, why_not};

const USAGE: &str = "\
usage: lab check                    says whether this machine can have a lab
       lab up NODE... [-p PACKAGE...]  boots nodes and holds them until ctrl-d or `lab down`
       lab down                     takes them down and deletes their disks
       lab exec NODE COMMAND...     runs a command in a node
       lab copy FILE NODE PATH      copies a file or folder into a node
       lab get NODE PATH FILE       copies a file or folder out of a node
       lab kill|start|reboot|unplug|plug-in NODE
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match answer(&words) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn answer(words: &[&str]) -> Result<u8> {
    let place = Place::of_this_machine();
    match words {
        ["check"] => return Ok(check()),
        ["up", names @ ..] if !names.is_empty() => up(&place, names)?,
        ["exec", name, command @ ..] if !command.is_empty() => {
            let status = Node::attach(&place, name)?.inside()?.args(command).status();
            return Ok(status.ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
        }
        ["copy", source, name, target] => Node::attach(&place, name)?.copy_in(source.as_ref(), target)?,
        ["get", name, source, target] => Node::attach(&place, name)?.copy_out(source, target.as_ref())?,
        ["down"] if !take_down(&place)? => say("no lab was up"),
        ["down"] => {}
        ["kill", name] => Node::attach(&place, name)?.kill()?,
        ["start", name] => {
            let node = Node::attach(&place, name)?;
            node.start()?;
            node.wait_booted()?;
        }
        ["reboot", name] => Node::attach(&place, name)?.reboot()?,
        ["unplug", name] => Node::attach(&place, name)?.unplug()?,
        ["plug-in", name] => Node::attach(&place, name)?.plug_in()?,
        _ => {
            say(USAGE);
            return Ok(64);
        }
    }
    Ok(0)
}

fn check() -> u8 {
    match why_not() {
        None => 0,
        Some(reason) => {
            say(&reason);
            1
        }
    }
}

fn up(place: &Place, words: &[&str]) -> Result<()> {
    let (names, packages) = match words.iter().position(|word| *word == "-p") {
        Some(position) => (&words[..position], &words[position + 1..]),
        None => (words, &words[..0]),
    };
    let image = if packages.is_empty() { Image::bare() } else { Image::with("by-hand", packages) };
    let lab = Lab::up(names, &image)?;
    for node in lab.nodes() {
        say(&format!("{} is up at {}", node.name(), node.address()));
    }
    say("ctrl-d here, or `lab down` anywhere, takes them down");
    lab.hold(place)
}

fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}
