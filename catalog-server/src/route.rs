//! A route: everything that the server knows of one method and path. Whom it answers cannot be left out.

use std::sync::Arc;
use std::time::Duration;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::access::Who;
use crate::server::Server;

/// How long an answer may take, its last byte included, if the route does not say otherwise.
const WITHIN: Duration = Duration::from_secs(60);

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What stands in a body.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// JSON of a type.
    Json(SchemaOf),
    /// Something else, by its media type.
    Media(&'static str),
}

/// A header that a route reads or sets.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// Whether it has to be there.
    pub required: bool,
}

/// What a route has to do with HTTP beyond its bodies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http {
    /// Headers of the request that it goes by.
    pub reads: &'static [Header],
    /// Headers of its answer.
    pub sets: &'static [Header],
    /// Answers without an error that are not the whole body, with what they mean.
    pub also: &'static [(u16, &'static str)],
}

/// By whose name requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Nobody's.
    Not,
    /// The host's or operator's who asks.
    ByName,
    /// The address it comes from: whoever asks is nobody yet.
    ByAddress,
}

/// One method and path.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; what stands in `{}` is given to the handler.
    pub path: &'static str,
    /// Who may use it.
    pub who: Who,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The query that it takes.
    pub query: Option<SchemaOf>,
    /// The body that it takes.
    pub takes: Content,
    /// The most bytes of that body.
    pub body_max: usize,
    /// The body that it answers with.
    pub gives: Content,
    /// Its headers and statuses.
    pub http: Http,
    /// How long an answer may take, its last byte included.
    pub within: Duration,
    /// Whether an answer may be held until something happens; such requests do not count as work.
    pub held: bool,
    /// By whose name requests are counted.
    pub counted: Counted,
    /// What answers.
    pub handler: MethodRouter<Arc<Server>>,
}

impl Route {
    /// A route that is asked with GET.
    pub fn get<H: Handler<T, Arc<Server>>, T: 'static>(path: &'static str, who: Who, about: &'static str, handler: H) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, who, about, handler)
    }

    /// A route that is asked with POST.
    pub fn post<H: Handler<T, Arc<Server>>, T: 'static>(path: &'static str, who: Who, about: &'static str, handler: H) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, who, about, handler)
    }

    /// A route that is asked with PUT.
    pub fn put<H: Handler<T, Arc<Server>>, T: 'static>(path: &'static str, who: Who, about: &'static str, handler: H) -> Self {
        Self::new(Method::PUT, MethodFilter::PUT, path, who, about, handler)
    }

    /// A route that is asked with DELETE.
    pub fn delete<H: Handler<T, Arc<Server>>, T: 'static>(path: &'static str, who: Who, about: &'static str, handler: H) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, who, about, handler)
    }

    fn new<H: Handler<T, Arc<Server>>, T: 'static>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        who: Who,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self {
            method,
            path,
            who,
            about,
            query: None,
            takes: Content::Nothing,
            body_max: 0,
            gives: Content::Nothing,
            http: Http::default(),
            within: WITHIN,
            held: false,
            counted: if who == Who::Anyone { Counted::Not } else { Counted::ByName },
            handler: on(filter, handler),
        }
    }

    /// Takes a JSON body of at most so many bytes.
    pub fn takes<B: JsonSchema>(self, body_max: usize) -> Self {
        Self { takes: Content::Json(schema_of::<B>), body_max, ..self }
    }

    /// Takes a query with the fields of this type; a route without one refuses every query.
    pub fn asks<Q: JsonSchema>(self) -> Self {
        Self { query: Some(schema_of::<Q>), ..self }
    }

    /// Answers with JSON.
    pub fn gives<A: JsonSchema>(self) -> Self {
        Self { gives: Content::Json(schema_of::<A>), ..self }
    }

    /// Answers with bytes of a media type.
    pub fn gives_media(self, media: &'static str) -> Self {
        Self { gives: Content::Media(media), ..self }
    }

    /// Answers with bytes of a media type, and goes by headers.
    pub fn gives_bytes(self, media: &'static str, http: Http) -> Self {
        Self { gives: Content::Media(media), http, ..self }
    }

    /// May take so long.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// May be held for so long while nothing happens.
    pub fn held(self, longest: Duration) -> Self {
        Self { held: true, within: longest + WITHIN, ..self }
    }

    /// Is counted by the address that asks.
    pub fn counted_by_address(self) -> Self {
        Self { counted: Counted::ByAddress, ..self }
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
