//! systemd's manager over the system bus: one connection a run, opened when it is first needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_core::Stream;
use keel_engine::resource::Failure;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use zbus::connection;
use zbus::message::Type;
use zbus::wire::DynamicDeserialize;
use zbus::{Connection, DynamicType, MatchRule, MessageStream, OwnedObjectPath};

use super::Host;

pub(super) const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// How long an answer may take. Reading all units again takes seconds on large hosts.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Endings of jobs that may wait to be read, so that those of a busy host do not hold up answers.
const ENDINGS_MAX: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(1023);

/// The connection of a run; none before anybody asked.
pub(super) type BusSlot = Mutex<Option<Arc<Bus>>>;

/// A connection to systemd. Calls block, and may be made from several threads at once.
pub struct Bus {
    runtime: Runtime,
    connection: Connection,
}

impl Host {
    /// The connection to systemd.
    ///
    /// # Errors
    /// There is no systemd, or the host is only a folder.
    pub fn bus(&self) -> Result<Arc<Bus>, Failure> {
        if !self.is_machine() {
            let message = format!("services cannot be looked at below {}", self.root().display());
            return Err(Failure::new(message).help("run keel on the machine itself"));
        }
        let mut slot = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bus) = slot.as_ref().filter(|bus| !bus.connection.is_closed()) {
            return Ok(Arc::clone(bus));
        }
        let bus = Arc::new(Bus::open()?);
        *slot = Some(Arc::clone(&bus));
        Ok(bus)
    }
}

impl Bus {
    fn open() -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("cannot prepare a connection to systemd: {error}")))?;
        let opened = runtime.block_on(async {
            let builder = connection::Builder::address(format!("unix:path={SYSTEM_BUS}").as_str());
            builder.method_timeout(ANSWER_TIMEOUT).build().await
        });
        let connection = opened.map_err(|error| {
            Failure::new(format!("systemd cannot be reached over the system bus: {error}"))
                .help(format!("services need a running systemd and the package dbus, which brings {SYSTEM_BUS}"))
        })?;
        let bus = Self { runtime, connection };
        // Without a subscriber systemd tells nobody that a job has ended.
        bus.call::<_, ()>("Subscribe", &())?;
        Ok(bus)
    }

    /// Calls a method of systemd's manager.
    ///
    /// # Errors
    /// systemd's own words.
    pub fn call<B, R>(&self, method: &str, body: &B) -> Result<R, Failure>
    where
        B: Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        self.wait_for(self.ask(MANAGER_PATH, MANAGER, method, body)).map_err(|error| refused(method, &error))
    }

    /// The same, where refusal is an answer too: none then.
    pub fn call_if<B, R>(&self, method: &str, body: &B) -> Option<R>
    where
        B: Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        self.wait_for(self.ask(MANAGER_PATH, MANAGER, method, body)).ok()
    }

    /// Reads a flag of a unit by the unit's path on the bus.
    ///
    /// # Errors
    /// systemd's own words.
    pub fn unit_flag(&self, unit: &str, property: &str) -> Result<bool, Failure> {
        let body = ("org.freedesktop.systemd1.Unit", property);
        let value: zbus::OwnedVariant =
            self.wait_for(self.ask(unit, PROPERTIES, "Get", &body)).map_err(|error| refused(property, &error))?;
        bool::try_from(value).map_err(|error| Failure::new(format!("systemd says something odd of {property}: {error}")))
    }

    /// Calls a method of the manager that begins a job, and waits for the job's end: `done`, `failed`,
    /// `timeout`, `dependency`, `canceled`, ...
    ///
    /// # Errors
    /// systemd refused, or the time is up.
    pub fn run_job(&self, method: &str, unit: &str, limit: Duration) -> Result<String, Failure> {
        let ended = self.wait_for(async { tokio::time::timeout(limit, self.job(method, unit)).await });
        match ended {
            Ok(result) => result.map_err(|error| refused(&format!("{method} {unit}"), &error)),
            Err(_) => {
                Err(Failure::new(format!("{unit} took longer than {} seconds", limit.as_secs())).help("give it more time with `timeout`"))
            }
        }
    }

    /// The jobs of services that systemd has not ended yet, such as `restart mariadb.service`.
    ///
    /// # Errors
    /// systemd's own words.
    pub fn service_jobs(&self) -> Result<Vec<String>, Failure> {
        let jobs: Vec<(u32, String, String, String, OwnedObjectPath, OwnedObjectPath)> = self.call("ListJobs", &())?;
        Ok(jobs.into_iter().filter(|job| job.1.ends_with(".service")).map(|job| format!("{} {}", job.2, job.1)).collect())
    }

    async fn job(&self, method: &str, unit: &str) -> zbus::Result<String> {
        let rule = MatchRule::builder().msg_type(Type::Signal).path(MANAGER_PATH).interface(MANAGER).member("JobRemoved").build()?;
        let mut endings = MessageStream::for_match_rule(rule, &self.connection, Some(ENDINGS_MAX)).await?;
        let job: OwnedObjectPath = self.ask(MANAGER_PATH, MANAGER, method, &(unit, "replace")).await?;
        loop {
            let next = std::future::poll_fn(|context| Pin::new(&mut endings).poll_next(context)).await;
            let message = next.unwrap_or_else(|| Err(zbus::Error::InputOutput(Arc::new(std::io::ErrorKind::BrokenPipe.into()))))?;
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) = message.body().deserialize()?;
            if path == job {
                return Ok(result);
            }
        }
    }

    async fn ask<B, R>(&self, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<R>
    where
        B: Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        let reply = self.connection.call_method(Some(SYSTEMD), path, Some(interface), method, body).await?;
        reply.body().deserialize()
    }

    fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }
}

fn refused(what: &str, error: &zbus::Error) -> Failure {
    let words = match error {
        zbus::Error::MethodError(_, Some(words), _) => words.clone(),
        other => other.to_string(),
    };
    Failure::new(format!("systemd refused {what}: {words}"))
}
