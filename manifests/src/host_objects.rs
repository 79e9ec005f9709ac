//! The inventory as expressions see it: `host`, `hosts`, `groups.NAME.hosts`.

use std::fmt;
use std::sync::{Arc, Weak};

use keel_engine::value::Map;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::conversion::to_template;
use crate::inventory::{Host, HostId};
use crate::reads::{self, Question};
use crate::site_data::SiteData;

/// A host. As text it is its name; as a plain value a table of what the inventory says of it.
#[derive(Clone)]
pub(crate) struct HostObject {
    /// Weak, since the site remembers lists of these.
    pub(crate) site: Weak<SiteData>,
    pub(crate) id: HostId,
    /// Whether it is `host`, the one that something is evaluated for, whoever that is.
    is_subject: bool,
}

/// The fields that a host has when it is listed or kept as a plain value.
const LISTED: [&str; 4] = ["name", "address", "groups", "tags"];

impl HostObject {
    fn with<T>(&self, read: impl FnOnce(&Arc<SiteData>, &Host) -> T) -> Option<T> {
        let site = self.site.upgrade()?;
        let host = site.inventory.host_at(self.id)?;
        Some(read(&site, host))
    }

    /// What the inventory says of it, without a note.
    pub(crate) fn field(&self, key: &str) -> Option<Value> {
        self.with(|site, host| match key {
            "name" => Some(Value::from(&*host.name)),
            "address" => Some(host.address.as_deref().map_or_else(|| Value::from(()), Value::from)),
            "groups" => Some(names(site.inventory.groups_of(&host.name).into_iter().map(|group| &*group.name))),
            "tags" => Some(names(host.tags.iter().map(String::as_str))),
            "facts" => site.facts_of(self.id),
            "vars" => Some(Value::from_object(HostVariables(self.clone()))),
            _ => None,
        })?
    }

    /// Notes that somebody looked at who it is.
    fn note_identity(&self) {
        match self.is_subject {
            true if !reads::is_recorded() => {}
            true => reads::note(Some(self.id), |whose| Question::Field(whose, Arc::from("name")), self.field("name").as_ref()),
            false => reads::met(self.id),
        }
    }
}

impl fmt::Debug for HostObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note_identity();
        self.with(|_, host| f.write_str(&host.name)).unwrap_or(Ok(()))
    }
}

impl Object for HostObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if !self.is_subject {
            reads::met(self.id);
        }
        let value = self.field(key);
        // What the inventory says of a certain host is the same for all who ask; whether it has facts may change.
        if self.is_subject || key == "facts" {
            reads::note(Some(self.id), |whose| Question::Field(whose, Arc::from(key)), value.as_ref());
        }
        value
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&LISTED)
    }

    fn custom_cmp(self: &Arc<Self>, other: &minijinja::value::DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        self.note_identity();
        other.note_identity();
        Some(self.id.cmp(&other.id))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    Value::from(names.map(Value::from).collect::<Vec<_>>())
}

/// `vars` of a host: all its variables by name.
#[derive(Debug)]
pub(crate) struct HostVariables(HostObject);

impl HostVariables {
    /// The host.
    pub(crate) fn host(&self) -> &HostObject {
        &self.0
    }
}

impl Object for HostVariables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let site = self.0.site.upgrade()?;
        let value = match site.variable(self.0.id, key) {
            Ok(value) => value,
            Err(error) => Some(Value::from(minijinja::Error::from(error))),
        };
        reads::note(Some(self.0.id), |whose| Question::Variable(whose, Arc::from(key)), value.as_ref());
        value
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let Some(site) = self.0.site.upgrade() else { return Enumerator::Empty };
        let names: Vec<Value> = site.variable_names(self.0.id).map(Value::from).collect();
        reads::note(Some(self.0.id), Question::VariableNames, Some(&Value::from(names.clone())));
        Enumerator::Values(names)
    }
}

/// A group: the list of its hosts, as in Ansible, that also has a `name` and says `hosts` for itself.
#[derive(Debug)]
pub(crate) struct GroupObject {
    name: String,
    hosts: Value,
}

impl GroupObject {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Object for GroupObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(name) => self.get_value_by_str(name),
            None => self.hosts.get_item(key).ok().filter(|host| !host.is_undefined()),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "name" => Some(Value::from(self.name.as_str())),
            "hosts" => Some(self.hosts.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.hosts.len().unwrap_or_default())
    }
}

/// `facts`: what a host says of itself. It is asked fact by fact, so that it is known which ones matter.
pub(crate) struct HostFacts {
    pub(crate) site: Weak<SiteData>,
    pub(crate) id: HostId,
}

impl fmt::Debug for HostFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("facts")
    }
}

impl Object for HostFacts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let value = self.site.upgrade()?.fact(self.id, key);
        reads::note(Some(self.id), |whose| Question::Fact(whose, Arc::from(key)), value.as_ref());
        value
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let Some(site) = self.site.upgrade() else { return Enumerator::Empty };
        let names: Vec<Value> = site.fact_names(self.id).into_iter().map(Value::from).collect();
        reads::note(Some(self.id), Question::FactNames, Some(&Value::from(names.clone())));
        Enumerator::Values(names)
    }
}

/// `groups`: every group by name.
pub(crate) struct Groups(pub(crate) Weak<SiteData>);

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("groups")
    }
}

impl Object for Groups {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let site = self.0.upgrade()?;
        let hosts = site.hosts_of_group(key)?;
        Some(Value::from_object(GroupObject { name: key.to_owned(), hosts }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let Some(site) = self.0.upgrade() else { return Enumerator::Empty };
        let mut names: Vec<&str> = site.inventory.groups().map(|group| &*group.name).collect();
        names.sort_unstable();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}

/// `hosts`: every host by name.
pub(crate) struct Hosts(pub(crate) Weak<SiteData>);

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hosts")
    }
}

impl Object for Hosts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let id = self.0.upgrade()?.inventory.host_id(key)?;
        Some(host(&self.0, id))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let Some(site) = self.0.upgrade() else { return Enumerator::Empty };
        Enumerator::Values(site.inventory.hosts().map(|host| Value::from(&*host.name)).collect())
    }
}

/// A host as a value, by its name or its place.
pub(crate) fn host(site: &Weak<SiteData>, id: HostId) -> Value {
    Value::from_object(HostObject { site: Weak::clone(site), id, is_subject: false })
}

/// The host that something is evaluated for.
pub(crate) fn subject(site: &Weak<SiteData>, id: HostId) -> HostObject {
    HostObject { site: Weak::clone(site), id, is_subject: true }
}

/// What a group's `match` sees: the host by name, its own variables as they stand, and its facts.
pub(crate) fn match_context(site: &SiteData, id: HostId, facts: Option<&Map>) -> Option<Value> {
    let host = site.inventory.host_at(id)?;
    let own = host.vars.iter().map(|(name, entry)| (name.as_str(), to_template(&entry.node.to_value(), &site.secrets)));
    let seen = Value::from_pairs([
        ("name", Value::from(&*host.name)),
        ("address", host.address.as_deref().map_or_else(|| Value::from(()), Value::from)),
        ("tags", names(host.tags.iter().map(String::as_str))),
        ("groups", names(site.inventory.groups_of(&host.name).into_iter().map(|group| &*group.name))),
        ("vars", Value::from_pairs(own)),
    ]);
    let mut context = vec![("inventory_hostname", Value::from(&*host.name)), ("host", seen)];
    let plain = |facts: &Map| Value::from_pairs(facts.iter().map(|(key, value)| (key.as_str(), to_template(value, &site.secrets))));
    context.extend(facts.map(|facts| ("facts", plain(facts))));
    Some(Value::from_pairs(context))
}
