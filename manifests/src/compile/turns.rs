//! `ask` and `turn` of a guard: how members keep out of each other's way where no server keeps leases.

use std::collections::BTreeMap;

use keel_engine::attributes::{AttributeValue, Span};
use keel_engine::turns::{TURN_S_DEFAULT, TURN_S_MIN, Turns};
use keel_engine::value::Map;

use super::Compiler;
use super::frame::Frame;
use crate::codes;
use crate::scope::Local;
use crate::syntax::{self, Attribute};

/// The other member, in `ask`.
const MEMBER: &str = "member";

impl<'s> Compiler<'s> {
    /// How each other member is asked, with its host as `member`. The inner none is for no `ask`, the outer one for a
    /// wrong one.
    pub(super) fn turns(&mut self, declared: &'s syntax::Guard, members: &[String], frame: &Frame<'s>) -> Option<Option<Turns>> {
        let Some(ask) = &declared.ask else {
            if let Some(turn) = &declared.turn {
                let message = format!("guard `{}` has a `turn` and no `ask`", declared.name.text);
                let help = "members take turns where they can ask each other: write ask { tcp \"{{ member.address }}:3306\" }";
                self.error(codes::BAD_GUARD, message, frame.place(turn.span), help);
                return None;
            }
            return Some(None);
        };
        let turn_s = self.turn_length(declared, frame);
        let mut asks = BTreeMap::new();
        for member in members {
            asks.insert(member.clone(), self.ask_of(member, ask, declared, frame)?);
        }
        self.tells_members_apart(&asks, declared, frame)?;
        asks.remove(self.host);
        Some(Some(Turns { turn_s: turn_s?, asks }))
    }

    fn turn_length(&mut self, declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<u64> {
        let Some(literal) = &declared.turn else { return Some(TURN_S_DEFAULT) };
        let value = self.literal(literal, None, frame)?;
        let read = Span::read(&value).map(|span| span.0.as_secs());
        let why = match read {
            Ok(turn_s @ TURN_S_MIN..) => return Some(turn_s),
            Ok(_) => format!("{TURN_S_MIN} seconds or more"),
            Err(why) => why,
        };
        let help = "twice as long as what interrupts a member may take, such as turn=\"10m\"";
        self.error(codes::BAD_GUARD, format!("`turn` is the time that each member has: {why}"), frame.place(literal.span), help);
        None
    }

    fn ask_of(&mut self, member: &str, ask: &'s [Attribute], declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<Map> {
        // The names of hosts are plain: nothing in them ends the quotes.
        let found = frame.scope.evaluate_local(&format!("hosts['{member}']")).ok()?;
        let scope = frame.scope.child_locals([(MEMBER.to_owned(), found)] as [(String, Local); 1]);
        self.checks("ask", ask, declared, &Frame { scope, ..frame.clone() })
    }

    /// What is asked of two members in the same words says nothing of at least one of them.
    fn tells_members_apart(&mut self, asks: &BTreeMap<String, Map>, declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<()> {
        let all: Vec<(&String, &Map)> = asks.iter().collect();
        let same = all.iter().enumerate().find_map(|(place, (one, ask))| {
            let (other, _) = all[..place].iter().find(|(_, earlier)| earlier == ask)?;
            Some((*other, *one))
        });
        let Some((one, other)) = same else { return Some(()) };
        let message = format!("`ask` of guard `{}` is the same for {one} and {other}", declared.name.text);
        let help =
            "it is looked at from the host that asks, once for each other member: name that, as {{ member.name }} or {{ member.address }}";
        self.error(codes::BAD_GUARD, message, frame.place(declared.name.span), help);
        None
    }
}
