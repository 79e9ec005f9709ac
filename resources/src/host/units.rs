//! Watching units of systemd: a connection to the bus on which nothing arrives until one of them moves.

use std::collections::HashMap;
use std::pin::Pin;

use futures_core::Stream;
use keel_engine::resource::Failure;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, connection};

use super::bus::{MANAGER, MANAGER_PATH, PROPERTIES, SYSTEM_BUS, SYSTEMD};

const UNIT: &str = "org.freedesktop.systemd1.Unit";
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Units that are watched.
pub struct UnitWatch {
    messages: MessageStream,
    units: HashMap<OwnedObjectPath, String>,
}

impl UnitWatch {
    /// Watches units by their full names; it runs in the caller's runtime.
    ///
    /// # Errors
    /// There is no systemd to ask.
    pub async fn open(units: &[&str]) -> Result<Self, Failure> {
        Self::begin(units).await.map_err(|error| Failure::new(format!("units cannot be watched: {error}")))
    }

    async fn begin(names: &[&str]) -> zbus::Result<Self> {
        let connection = connection::Builder::address(format!("unix:path={SYSTEM_BUS}").as_str()).build().await?;
        let messages = MessageStream::from(&connection);
        // Without a subscriber systemd tells nobody of its units.
        connection.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "Subscribe", &()).await?;
        let mut units = HashMap::new();
        for name in names {
            let loaded = connection.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "LoadUnit", name).await?;
            let path: OwnedObjectPath = loaded.body().deserialize()?;
            listen(&connection, &path).await?;
            units.insert(path, (*name).to_owned());
        }
        Ok(Self { messages, units })
    }

    /// The next unit that has come to rest in another state; none when the bus is gone.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let message = std::future::poll_fn(|context| Pin::new(&mut self.messages).poll_next(context)).await?.ok()?;
            let header = message.header();
            let unit = header.path().and_then(|path| self.units.iter().find(|(known, _)| known.as_str() == path.as_str()));
            let Some((_, unit)) = unit else { continue };
            let Ok((interface, mut changed, _)) = message.body().deserialize::<(String, HashMap<String, OwnedVariant>, Vec<String>)>()
            else {
                continue;
            };
            let state = changed.remove("ActiveState").filter(|_| interface == UNIT).and_then(|state| String::try_from(state).ok());
            if state.is_some_and(|state| is_rest(&state)) {
                return Some(unit.clone());
            }
        }
    }
}

/// Asks the bus for what happens to one unit.
async fn listen(connection: &Connection, path: &OwnedObjectPath) -> zbus::Result<()> {
    let rule = MatchRule::builder().msg_type(Type::Signal).path(path.as_str()).interface(PROPERTIES).build()?;
    connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule.to_string()).await?;
    Ok(())
}

/// Whether a state is one that a unit stays in.
fn is_rest(state: &str) -> bool {
    matches!(state, "active" | "inactive" | "failed")
}
