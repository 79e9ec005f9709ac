//! The type `nftables`: the host's packet filter, as a whole or some tables of it.

mod listing;
mod ruleset;
mod trial_run;

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::text::Text;
use std::time::Duration;

use crate::host::Host;
use crate::whole_file::{Deviation, WholeFile};
use ruleset::Ruleset;

/// What `nftables.service` loads at boot.
const USUAL_FILE: &str = "/etc/nftables.conf";

attributes! {
    /// The packet filter: rules that are checked by `nft`, put in force at once as a whole, and kept for the
    /// next boot.
    ///
    /// Only the tables that the rules name are replaced, so that those of Docker or libvirt stay; rules that
    /// begin with `flush ruleset` replace everything. With `confirm` or `confirm_tcp` new rules are on
    /// trial: where the host cannot do with them what it says there, or does not live to say so, the old ones
    /// come back by themselves and the resource fails; a run that was killed meanwhile leaves them on trial for the
    /// next one. Rules that somebody changed by hand are found and put
    /// right; what counters and sets have gathered does not matter.
    ///
    ///     nftables "firewall" confirm_tcp="keel.example.org:8140" {
    ///         template "firewall.nft.j2"
    ///     }
    ///     nftables "no mail" file="/etc/nftables.d/mail.nft" content="table inet mail {\n\tchain out {\n\t\ttype filter hook output priority 0\n\t\ttcp dport 25 drop\n\t}\n}\n"
    pub struct Nftables: "nftables" {
        /// What people call it.
        [title] pub name: String,
        /// The rules, as `nft -f` reads them.
        pub content: Text,
        /// The file that keeps them for the next boot. Not given: `/etc/nftables.conf`, which the service
        /// `nftables` loads.
        pub file: Option<AbsolutePath>,
        /// A command that has to succeed under the new rules, as a list of arguments, the program first.
        [how] pub confirm: Vec<String>,
        /// A port that has to take connections under the new rules, `host:port` or `[address]:port`.
        [how] pub confirm_tcp: Option<String>,
        /// How long new rules have to prove themselves.
        [how] pub confirm_timeout: Span = Span(Duration::from_secs(30)),
        /// Whether the running kernel gets them now.
        pub live: bool = true,
    }
    check |desired| {
        let mut errors = Vec::new();
        if let Text::Plain(text) = &desired.content {
            errors.extend(Ruleset::parse(text).err().map(|error| AttributeError::of_value("content", error)));
        }
        if desired.confirm_tcp.as_deref().is_some_and(|port| crate::wait::split_port(port).is_none()) {
            errors.push(AttributeError::new("confirm_tcp", "is no `host:port`").help("such as \"10.0.0.1:8140\" or \"[::1]:80\""));
        }
        if desired.confirm_timeout.0 < Duration::from_secs(1) {
            errors.push(AttributeError::new("confirm_timeout", "is 0").help("a second or more"));
        }
        if !desired.live && (!desired.confirm.is_empty() || desired.confirm_tcp.is_some()) {
            errors.push(AttributeError::new("live", "must be #true for rules that prove themselves"));
        }
        errors.extend(desired.file.as_ref().and_then(|file| crate::file::check_path("file", file)));
        errors
    }
}

impl Nftables {
    fn file(&self) -> &str {
        self.file.as_ref().map_or(USUAL_FILE, AbsolutePath::as_str)
    }

    fn ruleset(&self, host: &Host) -> Result<Ruleset, Failure> {
        let bytes = self.content.bytes(host.contents()).map_err(Failure::new)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new("the rules are not UTF-8"))?;
        Ruleset::parse(text).map_err(|error| Failure::new(format!("the rules of {} {error}", self.name)))
    }

    fn kept(&self, ruleset: &Ruleset) -> WholeFile {
        let mode_is_secret = self.content.is_secret();
        WholeFile { path: self.file().to_owned(), wanted: Some(ruleset.text().into_bytes()), is_secret: mode_is_secret }
    }
}

/// How the file and the running rules differ.
#[derive(Debug)]
pub struct ObservedRules {
    kept: Option<Deviation>,
    /// What differs in the kernel; none where all is well or it is not asked.
    live: Option<String>,
}

/// The type `nftables`.
pub struct NftablesType;

impl ResourceType for NftablesType {
    type Host = Host;
    type Desired = Nftables;
    type Observed = ObservedRules;

    fn observe(&self, host: &Host, desired: &[&Nftables]) -> Vec<Result<ObservedRules, ObserveError>> {
        let look = |rules: &&Nftables| {
            let ruleset = rules.ruleset(host)?;
            let kept = rules.kept(&ruleset).look(host)?;
            if !rules.live || !host.is_machine() {
                return Ok(ObservedRules { kept, live: None });
            }
            let live = match trial_run::difference(host, rules, &ruleset)? {
                None => trial_run::unproved(host, rules)?,
                difference => difference,
            };
            Ok(ObservedRules { kept, live })
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, _desired: &Nftables, observed: &ObservedRules) -> Vec<Change> {
        let kept = observed.kept.as_ref().map(|deviation| deviation.change("content"));
        let live = observed.live.as_ref().map(|difference| Change::update("live", difference.as_str(), "as declared"));
        live.into_iter().chain(kept).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        let ruleset = desired.ruleset(host)?;
        if has("live") {
            trial_run::put_in_force(host, desired, &ruleset)?;
        }
        // Rules that cut the host off must not come back with the next boot: kept last.
        if has("content") { desired.kept(&ruleset).settle(host) } else { Ok(()) }
    }

    fn footprint(&self, desired: &Nftables) -> Footprint {
        let file = desired.file();
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = if folder.is_empty() { "/" } else { folder };
        // The rules that count are the kernel's.
        Footprint::default()
            .own(format!("path:{file}"))
            .write(format!("kernel:nftables {file}"))
            .need(format!("path:{folder}"))
            .need("package:nftables")
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        listing::listing(host, title).map(Some)
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        listing::unsaid(host, described)
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    #[test]
    fn below_a_root_the_rules_are_kept_for_the_boot() {
        let trial = Trial::new();
        trial.write("/etc/x", "");
        let rules = [("content", Value::from("table inet a {\n}\n"))];
        assert_eq!(trial.converge(&NftablesType, "firewall", &rules).unwrap(), ["+ content: absent -> 5 lines"]);
        assert_eq!(trial.read(USUAL_FILE), "#!/usr/sbin/nft -f\ntable inet a\ndelete table inet a\ntable inet a {\n}\n");
    }

    #[test]
    fn what_cannot_be_put_in_force_as_a_whole_is_refused() {
        let refused = |text: &str| Trial::refuses::<NftablesType>("x", &[("content", Value::from(text))]);
        assert!(refused("add rule inet a b drop\n").contains("name no table"));
        let port = [("content", Value::from("flush ruleset\n")), ("confirm_tcp", Value::from("x"))];
        assert!(Trial::refuses::<NftablesType>("x", &port).contains("host:port"));
    }
}
