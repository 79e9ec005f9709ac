//! Footprints: which keys of the host a resource provides, needs and writes, as plain data.
//! Automatic relations are derived from footprints and from nothing else.

/// A key of the host: `path:/etc/nginx`, `user:mysql`, `unit:nginx.service`.
///
/// Paths are special in one way only: who needs `path:/a/b` comes after the provider of the
/// nearest path upward (`/a/b`, else `/a`, else `/`). A part of a file is written as
/// `path:/etc/hosts#NAME`; it clashes with a writer of the whole file and of the same part.
pub type Key = String;

/// What a resource touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Keys that exist once the resource is converged.
    pub provides: Vec<Key>,
    /// Keys that have to exist before.
    pub needs: Vec<Key>,
    /// Keys whose state the resource decides; two writers of one key need an order.
    pub writes: Vec<Key>,
}

impl Footprint {
    /// Adds a key that this resource provides and writes.
    pub fn own(mut self, key: impl Into<Key>) -> Self {
        let key = key.into();
        self.provides.push(key.clone());
        self.writes.push(key);
        self
    }

    /// Adds a provided key.
    pub fn provide(mut self, key: impl Into<Key>) -> Self {
        self.provides.push(key.into());
        self
    }

    /// Adds a needed key.
    pub fn need(mut self, key: impl Into<Key>) -> Self {
        self.needs.push(key.into());
        self
    }

    /// Adds a written key.
    pub fn write(mut self, key: impl Into<Key>) -> Self {
        self.writes.push(key.into());
        self
    }
}
