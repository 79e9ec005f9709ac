//! Sites by chance, and edits of them: files, links and settings, uses of modules with parameters, and commands that
//! are only run when somebody notifies them.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Chance that can be repeated.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn often(&mut self) -> bool {
        self.below(3) > 0
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }
}

/// A resource that stands by itself.
#[derive(Clone, PartialEq)]
enum Thing {
    File { mode: u64, lines: Vec<u64> },
    Link { to: u64 },
    Settings { values: Vec<u64> },
}

/// How a resource is declared besides; only the last one makes another thing of a run, which then only plans it.
const MANNERS: [&str; 5] = ["", " tag=\"x\"", " backup=#false", " show_diff=#false", " noop=#true"];
/// The same for commands.
const MANNERS_OF_COMMANDS: [&str; 4] = ["", " tag=\"x\"", " timeout=\"20s\"", " noop=#true"];
/// How many commands there may be. One notifies only later ones, so that nobody waits in a circle.
const COMMANDS: u64 = 5;
/// How many modules there may be.
const MODULES: u64 = 3;

/// Whom a resource notifies.
#[derive(Clone)]
struct Notice {
    command: u64,
    effect: &'static str,
}

#[derive(Clone)]
struct Placed {
    thing: Thing,
    manner: &'static str,
    notice: Option<Notice>,
}

/// A command that only others run. It writes down that it ran.
#[derive(Clone)]
struct Command {
    word: u64,
    manner: &'static str,
    notice: Option<Notice>,
    /// What it subscribes to.
    to: Option<String>,
}

/// A use of a module: two files, one of which the parameters change.
#[derive(Clone)]
struct Use {
    word: u64,
    /// Says only how the file is changed.
    backup: bool,
    notice: Option<Notice>,
}

/// A site with one host.
#[derive(Clone)]
pub(crate) struct RandomSite {
    things: BTreeMap<u64, Placed>,
    commands: BTreeMap<u64, Command>,
    uses: BTreeMap<u64, Use>,
}

impl RandomSite {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let numbers = |chance: &mut Chance, end: u64| (0..end).filter(|_| chance.often()).collect::<Vec<u64>>();
        let things = numbers(chance, 12).into_iter().map(|number| (number, placed(chance))).collect();
        let commands = numbers(chance, COMMANDS).into_iter().map(|number| (number, command(number, chance))).collect();
        let uses = numbers(chance, MODULES).into_iter().map(|number| (number, use_of(chance))).collect();
        Self { things, commands, uses }
    }

    /// A few things gone, a few new, a few edited; none becomes a thing of another type.
    pub(crate) fn edit(&self, chance: &mut Chance) -> Self {
        let mut after = self.clone();
        after.things.retain(|_, _| chance.below(5) > 0);
        after.commands.retain(|_, _| chance.below(6) > 0);
        after.uses.retain(|_, _| chance.below(6) > 0);
        for one in after.things.values_mut() {
            one.edit(chance);
        }
        for (number, one) in &mut after.commands {
            match chance.below(6) {
                0 => one.word = chance.below(9),
                1 => one.manner = chance.one_of(&MANNERS_OF_COMMANDS),
                2 => one.notice = notice(number + 1, chance),
                _ => {}
            }
        }
        for one in after.uses.values_mut() {
            match chance.below(5) {
                0 | 1 => one.word = chance.below(9),
                2 => one.backup = !one.backup,
                3 => one.notice = notice(0, chance),
                _ => {}
            }
        }
        for number in (12..15).filter(|_| chance.below(2) == 0).collect::<Vec<u64>>() {
            after.things.insert(number, placed(chance));
        }
        let new: Vec<u64> = (0..COMMANDS).filter(|number| !after.commands.contains_key(number) && chance.below(3) == 0).collect();
        after.commands.extend(new.into_iter().map(|number| (number, command(number, chance))));
        after
    }

    /// What the host's manifest says.
    pub(crate) fn manifest(&self) -> String {
        let mut text = String::from("file \"/srv\" ensure=directory mode=\"0755\"\n");
        for (number, one) in &self.things {
            one.write(number, &mut text);
        }
        for (number, Command { word, manner, notice, to }) in &self.commands {
            let to = to.as_ref().map(|to| format!("subscribe {to} optional=#true\n")).unwrap_or_default();
            writeln!(text, "exec c{number} refresh_only=#true{manner} {{").unwrap();
            writeln!(text, "command \"/bin/sh\" \"-c\" \"echo c{number} >>/ran; true {word}\"\n{to}{}}}", lines(notice)).unwrap();
        }
        for (number, Use { word, backup, notice }) in &self.uses {
            writeln!(text, "use m{number} word=\"{word}\" backup=#{backup} {{\n{}}}", lines(notice)).unwrap();
        }
        text
    }

    /// The modules, each with its name.
    pub(crate) fn modules() -> Vec<(String, String)> {
        let module = |number: u64| {
            let text = format!(
                "module m{number} {{\nparam (string)word\nparam (bool)backup\n\
                 file \"/srv/m{number}\" content=\"{{{{ word }}}}\\n\" backup=\"{{{{ backup }}}}\"\n\
                 file \"/srv/n{number}\" content=\"always\\n\"\n}}\n"
            );
            (format!("m{number}"), text)
        };
        (0..MODULES).map(module).collect()
    }
}

impl Placed {
    fn edit(&mut self, chance: &mut Chance) {
        match chance.below(9) {
            0..3 => self.manner = chance.one_of(&MANNERS),
            3 => self.notice = notice(0, chance),
            _ => {}
        }
        match &mut self.thing {
            Thing::File { mode, .. } if chance.below(4) == 0 => *mode = chance.below(3),
            Thing::File { lines, .. } if chance.below(3) == 0 => lines.push(chance.below(9)),
            Thing::Link { to } if chance.below(3) == 0 => *to = chance.below(5),
            Thing::Settings { values } if chance.below(3) == 0 => values.push(chance.below(9)),
            _ => {}
        }
    }

    fn write(&self, number: &u64, text: &mut String) {
        let (title, manner) = (format!("/srv/x{number}"), self.manner);
        // Files of settings have no backup and no diff of their own.
        let of_settings = if manner.contains("backup") || manner.contains("show_diff") { "" } else { manner };
        match &self.thing {
            Thing::File { mode, lines } => {
                let content: String = lines.iter().map(|line| format!("line {line}\\n")).collect();
                let mode = ["0600", "0640", "0644"][usize::try_from(*mode).unwrap()];
                write!(text, "file \"{title}\" mode=\"{mode}\" content=\"{content}\"{manner}").unwrap();
            }
            Thing::Link { to } => write!(text, "file \"{title}\" ensure=link target=\"/nowhere/{to}\"{manner}").unwrap(),
            Thing::Settings { values } => {
                let values: String = values.iter().enumerate().map(|(key, value)| format!("k{key} \"{value}\"; ")).collect();
                let notice = lines(&self.notice);
                return writeln!(text, "ini \"{title}\" create=#true{of_settings} {{\nsection main {{ {values} }}\n{notice}}}").unwrap();
            }
        }
        writeln!(text, " {{\n{}}}", lines(&self.notice)).unwrap();
    }
}

/// The line of a notice, if there is one.
fn lines(notice: &Option<Notice>) -> String {
    let line = |notice: &Notice| format!("notify (exec)c{} optional=#true{}\n", notice.command, notice.effect);
    notice.as_ref().map(line).unwrap_or_default()
}

fn notice(first: u64, chance: &mut Chance) -> Option<Notice> {
    let command = first + chance.below(COMMANDS);
    let effect = chance.one_of(&["", " effect=reload"]);
    (command < COMMANDS).then_some(Notice { command, effect })
}

fn placed(chance: &mut Chance) -> Placed {
    let manner = chance.one_of(&MANNERS[..4]);
    let thing = match chance.below(4) {
        0 => Thing::Link { to: chance.below(5) },
        1 => Thing::Settings { values: (0..=chance.below(3)).map(|_| chance.below(9)).collect() },
        _ => Thing::File { mode: chance.below(3), lines: (0..chance.below(6)).map(|_| chance.below(9)).collect() },
    };
    let notice = if chance.below(2) == 0 { notice(0, chance) } else { None };
    Placed { thing, manner, notice }
}

fn command(number: u64, chance: &mut Chance) -> Command {
    let to = match chance.below(4) {
        0 => Some(format!("(file)\"/srv/x{}\"", chance.below(15))),
        1 => Some(format!("(module)m{}", chance.below(MODULES))),
        _ => None,
    };
    let notice = if chance.below(2) == 0 { notice(number + 1, chance) } else { None };
    // Of what is only planned, and then meant, the host knows what it is owed; a diff does not.
    Command { word: chance.below(9), manner: chance.one_of(&MANNERS_OF_COMMANDS[..3]), notice, to }
}

fn use_of(chance: &mut Chance) -> Use {
    let notice = if chance.below(2) == 0 { notice(0, chance) } else { None };
    Use { word: chance.below(9), backup: chance.below(2) == 0, notice }
}
