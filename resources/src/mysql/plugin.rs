//! `mysql_plugin`: what is loaded into the server.

use std::collections::BTreeMap;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};

use super::{in_server, key, look, server};
use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::sql::Sql;
use crate::host::statement::Statement;

keel_engine::attributes! {
    /// A plugin of MariaDB, loaded now and at every start. Each server of a cluster has its own.
    ///
    ///     mysql_plugin simple_password_check soname=simple_password_check
    pub struct Plugin: "mysql_plugin" {
        /// The plugin's name.
        [title] pub name: String,
        /// Whether it is loaded. What is built into the server cannot go.
        pub ensure: Ensure = Ensure::Present,
        /// The library that holds it, without `.so`. Not given: named as the plugin.
        pub soname: Option<String>,
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let is_word = |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'));
        let named = [("name", Some(&desired.name)), ("soname", desired.soname.as_ref())];
        let wrong = named.into_iter().filter_map(|(attribute, text)| Some((attribute, text?))).filter(|(_, text)| !is_word(text));
        wrong.map(|(attribute, text)| AttributeError::of_value(attribute, format!("{text:?} cannot be the name of a plugin or its library"))).collect()
    }
}

impl Plugin {
    fn library(&self) -> &str {
        let library = self.soname.as_deref().unwrap_or(&self.name);
        library.strip_suffix(".so").unwrap_or(library)
    }
}

/// What was found of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its library; none where it is built in.
    library: Option<String>,
    is_active: bool,
}

fn plugins(sql: &Sql) -> Result<BTreeMap<String, Found>, Failure> {
    let rows = sql.rows(&Statement::new("SELECT PLUGIN_NAME, PLUGIN_LIBRARY, PLUGIN_STATUS FROM information_schema.PLUGINS"))?;
    let plugin = |row: &crate::host::sql::Row| {
        let library = row.get("PLUGIN_LIBRARY").map(|library| library.trim_end_matches(".so").to_owned());
        (row.text("PLUGIN_NAME").to_lowercase(), Found { library, is_active: row.text("PLUGIN_STATUS") == "ACTIVE" })
    };
    Ok(rows.iter().map(plugin).collect())
}

/// What there is of one; one that is built in cannot go or come.
fn judge(desired: &Plugin, found: Option<&Found>) -> Result<Option<Found>, ObserveError> {
    match (found, desired.ensure) {
        (Some(Found { library: None, .. }), Ensure::Absent) => {
            Err(Failure::new(format!("the plugin {} is built into the server: it cannot go", desired.name)).into())
        }
        (Some(Found { library: Some(library), .. }), Ensure::Present) if desired.soname.is_some() && library != desired.library() => {
            let failure =
                Failure::new(format!("the plugin {} is loaded from {library}.so and not from {}.so", desired.name, desired.library()));
            Err(failure.help("unload that one first").into())
        }
        (found, _) => Ok(found.cloned()),
    }
}

/// The type `mysql_plugin`.
pub struct PluginType;

impl ResourceType for PluginType {
    type Host = Host;
    type Desired = Plugin;
    type Observed = Option<Found>;

    fn observe(&self, host: &Host, desired: &[&Plugin]) -> Vec<Result<Option<Found>, ObserveError>> {
        look(
            host,
            desired,
            |desired| desired.socket.as_ref(),
            plugins,
            |desired, plugins| judge(desired, plugins.get(&desired.name.to_lowercase())),
        )
    }

    fn diff(&self, desired: &Plugin, observed: &Option<Found>) -> Vec<Change> {
        match (observed, desired.ensure) {
            (None, Ensure::Present) => vec![Change::create("ensure", "present")],
            (Some(found), Ensure::Present) if !found.is_active => vec![Change::update("ensure", "inactive", "present")],
            (Some(_), Ensure::Absent) => vec![Change::delete("ensure", "present")],
            _ => Vec::new(),
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let sql = server(host, desired.socket.as_ref())?;
        let unload = Statement::new("UNINSTALL PLUGIN IF EXISTS ").name(&desired.name);
        if desired.ensure == Ensure::Absent || work.observed.is_some() {
            sql.run(&unload)?;
        }
        if desired.ensure == Ensure::Absent {
            return Ok(());
        }
        sql.run(&Statement::new("INSTALL PLUGIN ").name(&desired.name).words(" SONAME ").string(desired.library()))
    }

    fn footprint(&self, desired: &Plugin) -> Footprint {
        in_server().own(key("mysql_plugin", desired.socket.as_ref(), &desired.name.to_lowercase()))
    }

    /// Those that are not built in.
    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let plugins = plugins(&*server(host, None)?)?;
        let named = plugins.into_iter().filter(|(name, _)| title.is_none_or(|title| title.eq_ignore_ascii_case(name)));
        let described = named.filter_map(|(name, found)| {
            let library = found.library.filter(|_| found.is_active)?;
            Some(Described {
                title: title.map_or(name, str::to_owned),
                attributes: Map::from_iter([("soname".to_owned(), Value::from(library))]),
            })
        });
        Ok(Some(described.collect()))
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;

    use super::*;
    use crate::trial::Trial;

    fn changes(attributes: &[(&str, Value)], found: Option<Found>) -> Result<Vec<String>, String> {
        let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let plugin = Plugin::from_attributes("check", &map).unwrap();
        let observed = judge(&plugin, found.as_ref()).map_err(|error| error.failure().message.clone())?;
        Ok(PluginType.diff(&plugin, &observed).iter().map(|change| format!("{} {}", change.action.glyph(), change.attribute)).collect())
    }

    #[test]
    fn plugins_come_and_go_unless_they_are_built_in() {
        let loaded = |library: Option<&str>, is_active| Some(Found { library: library.map(str::to_owned), is_active });
        let absent = [("ensure", Value::from("absent"))];
        assert_eq!(changes(&[], None).unwrap(), ["+ ensure"]);
        assert_eq!(changes(&[], loaded(Some("check"), true)).unwrap(), [""; 0]);
        assert_eq!(changes(&[], loaded(Some("check"), false)).unwrap(), ["~ ensure"]);
        assert_eq!(changes(&absent, loaded(Some("check"), true)).unwrap(), ["- ensure"]);
        assert_eq!(changes(&absent, None).unwrap(), [""; 0]);
        assert!(changes(&absent, loaded(None, true)).unwrap_err().contains("built into the server"));
        assert!(
            changes(&[("soname", Value::from("other.so"))], loaded(Some("check"), true))
                .unwrap_err()
                .contains("from check.so and not from other.so")
        );
        assert!(Trial::refuses::<PluginType>("x", &[("soname", Value::from("../x"))]).contains("cannot be the name"));
    }
}
