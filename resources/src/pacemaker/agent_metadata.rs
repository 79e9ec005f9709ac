//! What an agent says of itself: the parameters that it takes.

use std::collections::BTreeSet;

use keel_engine::resource::Failure;

use super::tree::Node;

/// Parameters that Pacemaker itself takes for every fence device, whatever its agent says.
const FENCING: &str = "pcmk_";
/// Parameters that every agent gets along with.
const ANYWHERE: [&str; 8] = ["OCF_CHECK_LEVEL", "provides", "stonith-timeout", "priority", "trace_ra", "trace_file", "nodename", "plug"];

/// The parameters of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentMetadata {
    parameters: BTreeSet<String>,
    required: BTreeSet<String>,
}

/// What is needed to ask for it, in a CIB's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AgentName {
    pub(super) class: String,
    pub(super) provider: Option<String>,
    pub(super) kind: String,
}

impl AgentName {
    /// The agent of a resource or template; none where a template says it.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let of = |name: &str| node.attribute(name).map(str::to_owned);
        Some(Self { class: of("class")?, provider: of("provider"), kind: of("type")? })
    }

    /// As `crm_resource --show-metadata` wants it.
    pub(super) fn words(&self) -> String {
        let words = [Some(self.class.as_str()), self.provider.as_deref(), Some(self.kind.as_str())];
        words.into_iter().flatten().collect::<Vec<_>>().join(":")
    }

    /// Whether agents of its class take parameters and say which. The others are services of the host.
    pub(super) fn has_metadata(&self) -> bool {
        matches!(self.class.as_str(), "ocf" | "stonith")
    }
}

impl AgentMetadata {
    /// Reads what an agent prints.
    ///
    /// # Errors
    /// It is no XML.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let root = Node::parse(text)?;
        let (mut parameters, mut required) = (BTreeSet::new(), BTreeSet::new());
        for parameter in root.named("parameters").flat_map(|parameters| parameters.named("parameter")) {
            let Some(name) = parameter.attribute("name") else { continue };
            parameters.insert(name.to_owned());
            if matches!(parameter.attribute("required"), Some("1" | "true")) {
                required.insert(name.to_owned());
            }
        }
        Ok(Self { parameters, required })
    }

    /// What is wrong with a resource's parameters by its agent's word.
    pub(super) fn refuse(&self, agent: &AgentName, node: &Node) -> Option<Failure> {
        let sets: Vec<&Node> = node.named("instance_attributes").collect();
        let pairs = sets.iter().flat_map(|set| set.named("nvpair"));
        let names: BTreeSet<&str> = pairs.filter_map(|pair| pair.attribute("name")).collect();
        let is_known = |name: &str| {
            self.parameters.contains(name)
                || ANYWHERE.contains(&name)
                || name.starts_with("CRM_meta_")
                || (agent.class == "stonith" && name.starts_with(FENCING))
        };
        if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
            let near = nearest(unknown, &self.parameters);
            let failure = Failure::new(format!("the agent {} has no parameter {unknown}", agent.words()));
            return Some(failure.help(near.unwrap_or_else(|| format!("crm_resource --show-metadata {} lists them", agent.words()))));
        }
        // Sets of other elements may hold what is missing here.
        let is_whole = sets.iter().all(|set| set.attribute("id-ref").is_none()) && node.name == "primitive" && agent.class == "ocf";
        let missing = self.required.iter().find(|name| is_whole && !names.contains(name.as_str()))?;
        let failure = Failure::new(format!("the agent {} needs the parameter {missing}", agent.words()));
        Some(failure.help(format!("params {{ {missing} ... }}")))
    }
}

/// The known word that somebody may have meant.
fn nearest(word: &str, known: &BTreeSet<String>) -> Option<String> {
    let common = |other: &str| word.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let best = known.iter().max_by_key(|other| (common(other), std::cmp::Reverse(other.len().abs_diff(word.len()))))?;
    (common(best) >= 2).then(|| format!("did you mean {best}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primitive(names: &[&str]) -> Node {
        let pairs = names.iter().map(|name| Node::new("nvpair").with("name", *name)).collect();
        let set = Node { children: pairs, ..Node::new("instance_attributes") };
        Node { children: vec![set], ..Node::new("primitive").with("class", "ocf").with("provider", "heartbeat").with("type", "IPaddr2") }
    }

    #[test]
    fn parameters_are_judged_by_what_the_agent_says() {
        let text = "<?xml version='1.0'?>\n<resource-agent><parameters><parameter name='ip' required='1'/>\
            <parameter name='cidr_netmask'/></parameters></resource-agent>";
        let metadata = AgentMetadata::parse(text).unwrap();
        let refuse = |names: &[&str]| {
            let node = primitive(names);
            let failure = metadata.refuse(&AgentName::of(&node).unwrap(), &node)?;
            Some(format!("{}; {}", failure.message, failure.help.unwrap_or_default()))
        };
        assert_eq!(refuse(&["ip", "cidr_netmask", "trace_ra"]), None);
        assert_eq!(refuse(&["ip", "cidr"]).unwrap(), "the agent ocf:heartbeat:IPaddr2 has no parameter cidr; did you mean cidr_netmask?");
        assert!(refuse(&["cidr_netmask"]).unwrap().starts_with("the agent ocf:heartbeat:IPaddr2 needs the parameter ip"));
    }
}
