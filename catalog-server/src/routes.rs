//! The one table of routes. The routers, the OpenAPI document and the authorisation matrix come from it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use keel_engine::protocol;
use keel_engine::protocol::catalog::CATALOG_MEDIA;
use keel_engine::protocol::certificate::{Authority, Certificate, Renewal};
use keel_engine::protocol::enrolment::{Enrolment, EnrolmentRequest};
use keel_engine::protocol::environment::{ENVIRONMENTS_PATH, EnvironmentList};
use keel_engine::protocol::facts::{FACTS_BYTES_MAX, FACTS_PATH, FactsAnswer};
use keel_engine::protocol::fleet::{FleetStatus, ReportList, ResourceHistory, RunAnswer, RunRequest, StoredReport};
use keel_engine::protocol::gates::{GATES_PATH, GatesAnswer, GatesRequest};
use keel_engine::protocol::inquiries::{
    ANSWER_BYTES_MAX, ASK_PATH, AskedHosts, INQUIRIES_PATH, Inquiry, InquiryRequest, OpenInquiries, Reply,
};
use keel_engine::protocol::leases::{
    LEASES_PATH, Lease, LeaseAnswer, LeaseList, LeaseProof, LeaseRelease, LeaseRequest, OPERATOR_LEASES_PATH, PROOF_PATH, ProofReceipt,
    RELEASE_PATH,
};
use keel_engine::protocol::live::{Health, Live};
use keel_engine::protocol::news::{NEWS_PATH, NewsAnswer, NewsRequest};
use keel_engine::protocol::nodes::{Approval, Follow, Node, NodeDetail, NodeList, Revocation, TokenAnswer, TokenRequest};
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::reports::{Delivery, REPORT_BYTES_MAX, REPORTS_PATH, Receipt};
use keel_engine::protocol::secrets::SealedSecrets;
use keel_engine::value::Value;

use crate::access::Who;
use crate::admission::{Door, admit};
use crate::api::{
    authority, catalog, certificate, content, enrolment, environments, facts, gates, health, inquiries, leases, live, metrics, news, nodes,
    reports, run, secrets, status, tokens, why,
};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::server::Server;
use crate::store::Role;

const KIB: usize = 1024;
/// Two thousand gates asked and twenty thousand resources settled, each with its names.
const GATES_BYTES_MAX: usize = 4096 * KIB;
const VIEWER: Who = Who::Role(Role::Viewer);
const OPERATOR: Who = Who::Role(Role::Operator);
const ADMIN: Who = Who::Role(Role::Admin);

/// What agents ask. A host has no name in a path, query or body here: it is the one in its certificate.
pub fn agents() -> Vec<Route> {
    let mut routes = joining();
    routes.extend([
        Route::put(FACTS_PATH, Who::Host, "What the host says of itself, when it changed.", facts::keep)
            .takes::<Value>(FACTS_BYTES_MAX)
            .gives::<FactsAnswer>(),
        Route::post(
            REPORTS_PATH,
            Who::Host,
            "One report; acknowledged when it is on disk, and once more if it comes again.",
            reports::keep,
        )
        .takes::<Delivery>(REPORT_BYTES_MAX)
        .gives::<Receipt>(),
        Route::get("/v1/catalog", Who::Host, "The catalog of the host that asks; conditional by its id.", catalog::show)
            .gives_bytes(CATALOG_MEDIA, catalog::HTTP),
        Route::get("/v1/content/{blake3}", Who::Host, "Bytes that a catalog of the host names, or a range of them.", content::show)
            .gives_bytes("application/octet-stream", content::HTTP),
        Route::get("/v1/secrets", Who::Host, "The secrets that the host's catalog names, closed for it alone.", secrets::show)
            .gives::<SealedSecrets>(),
        Route::post(GATES_PATH, Who::Host, "Whether other hosts' things are ready; held until one of them is.", gates::ask)
            .takes::<GatesRequest>(GATES_BYTES_MAX)
            .gives::<GatesAnswer>()
            .held(Duration::from_secs(protocol::gates::WAIT_S_MAX)),
        Route::post(LEASES_PATH, Who::Host, "The lease of a guard, for what interrupts the host; held until there is one.", leases::ask)
            .takes::<LeaseRequest>(4 * KIB)
            .gives::<LeaseAnswer>()
            .held(Duration::from_secs(protocol::leases::WAIT_S_MAX)),
        Route::post(PROOF_PATH, Who::Host, "How the host is as a member; gives its lease back where it is ready.", leases::prove)
            .takes::<LeaseProof>(8 * KIB)
            .gives::<ProofReceipt>(),
        Route::get(NEWS_PATH, Who::Host, "What is a reason to run at once; held until there is one.", news::listen)
            .asks::<NewsRequest>()
            .gives::<NewsAnswer>()
            .held(Duration::from_secs(protocol::news::WAIT_S_MAX)),
        Route::get(INQUIRIES_PATH, Who::Host, "What the host is asked about commits, and has not answered.", inquiries::open)
            .gives::<OpenInquiries>(),
        Route::get(
            "/v1/inquiries/{id}/catalog",
            Who::Host,
            "The catalog that the host would have by the commit it is asked about.",
            inquiries::catalog,
        )
        .gives_bytes(CATALOG_MEDIA, catalog::HTTP),
        Route::get(
            "/v1/inquiries/{id}/content/{blake3}",
            Who::Host,
            "Bytes that this catalog names, or a range of them.",
            inquiries::content,
        )
        .gives_bytes("application/octet-stream", content::HTTP),
        Route::get(
            "/v1/inquiries/{id}/secrets",
            Who::Host,
            "The secrets that this catalog names, closed for the host alone.",
            inquiries::secrets,
        )
        .gives::<SealedSecrets>(),
        Route::post("/v1/inquiries/{id}/answer", Who::Host, "What the host answers: its plan, or why it has none.", inquiries::answer)
            .takes::<Reply>(ANSWER_BYTES_MAX),
    ]);
    routes
}

/// How one becomes a host and stays one.
fn joining() -> Vec<Route> {
    vec![
        Route::get("/v1/live", Who::Anyone, "Whether the server is there.", live::show).gives::<Live>(),
        Route::get("/v1/authority", Who::Anyone, "The certificate under which everything is trusted.", authority::show)
            .gives::<Authority>(),
        Route::post("/v1/enrolment", Who::Anyone, "Asks to become a host of the site, by a token or by approval.", enrolment::ask)
            .takes::<EnrolmentRequest>(32 * KIB)
            .gives::<Enrolment>()
            .counted_by_address(),
        Route::get("/v1/enrolment/{id}", Who::Anyone, "How an enrolment stands.", enrolment::show)
            .gives::<Enrolment>()
            .counted_by_address(),
        Route::post("/v1/certificate", Who::RenewingHost, "The next certificate of the host that asks.", certificate::renew)
            .takes::<Renewal>(32 * KIB)
            .gives::<Certificate>(),
    ]
}

/// What operators ask.
pub fn operators() -> Vec<Route> {
    vec![
        Route::get("/health", Who::Anyone, "Whether everything is well with the server.", health::show).gives::<Health>(),
        Route::get("/metrics", VIEWER, "Figures for Prometheus.", metrics::show).gives_media(metrics::MEDIA),
        Route::get("/operator/v1/nodes", VIEWER, "The hosts, and who waits for approval.", nodes::list)
            .asks::<nodes::Page>()
            .gives::<NodeList>(),
        Route::get("/operator/v1/nodes/{host}", VIEWER, "One host with its certificates.", nodes::show).gives::<NodeDetail>(),
        Route::post("/operator/v1/nodes/{host}/approve", OPERATOR, "Lets a waiting host in.", nodes::approve)
            .takes::<Approval>(4 * KIB)
            .gives::<Node>(),
        Route::post("/operator/v1/nodes/{host}/revoke", ADMIN, "Shuts a host out, with all its certificates.", nodes::revoke)
            .takes::<Revocation>(4 * KIB)
            .gives::<Node>(),
        Route::put("/operator/v1/nodes/{host}/environment", OPERATOR, "Lets a host follow another environment.", nodes::follow)
            .takes::<Follow>(4 * KIB)
            .gives::<Node>(),
        Route::delete("/operator/v1/nodes/{host}", ADMIN, "Forgets a host with everything it said, or turns away who waits.", nodes::purge),
        Route::get(
            ENVIRONMENTS_PATH,
            VIEWER,
            "Which commit hosts get, what became of the newest, who does not compile.",
            environments::list,
        )
        .gives::<EnvironmentList>(),
        Route::post("/operator/v1/environments/look", OPERATOR, "Has the repository looked at now.", environments::look),
        Route::post("/operator/v1/tokens", ADMIN, "Makes a one-time token that lets a host in.", tokens::create)
            .takes::<TokenRequest>(4 * KIB)
            .gives::<TokenAnswer>(),
        Route::get("/operator/v1/status", VIEWER, "The fleet at a glance: every host with its condition.", status::show)
            .asks::<status::Which>()
            .gives::<FleetStatus>(),
        Route::get("/operator/v1/reports", VIEWER, "Reports, the newest first.", reports::list)
            .asks::<reports::Page>()
            .gives::<ReportList>(),
        Route::get("/operator/v1/reports/{id}", VIEWER, "One report, whole.", reports::show)
            .asks::<reports::Whose>()
            .gives::<StoredReport>(),
        Route::get("/operator/v1/why/{host}", VIEWER, "What happened to one resource lately.", why::show)
            .asks::<why::Resource>()
            .gives::<ResourceHistory>(),
        Route::get(OPERATOR_LEASES_PATH, VIEWER, "Who holds the lease of a guard, and who waits for one.", leases::list)
            .gives::<LeaseList>(),
        Route::post(RELEASE_PATH, OPERATOR, "Takes a lease from a host, or ends its waiting.", leases::release)
            .takes::<LeaseRelease>(4 * KIB)
            .gives::<Lease>(),
        Route::post("/operator/v1/run", OPERATOR, "Asks hosts to run at once.", run::ask)
            .takes::<RunRequest>(256 * KIB)
            .gives::<RunAnswer>(),
        Route::post(ASK_PATH, OPERATOR, "Asks hosts what a commit would change on them, without changing anything.", inquiries::ask)
            .takes::<InquiryRequest>(16 * KIB)
            .gives::<Inquiry>()
            .within(Duration::from_secs(180)),
        Route::get("/operator/v1/inquiries/{id}", VIEWER, "How an inquiry stands; held until more hosts have answered.", inquiries::show)
            .asks::<inquiries::Wait>()
            .gives::<Inquiry>()
            .held(Duration::from_secs(protocol::inquiries::WAIT_S_MAX)),
        Route::get("/operator/v1/inquiries/{id}/hosts", VIEWER, "The hosts of an inquiry, with what they answered.", inquiries::hosts)
            .asks::<inquiries::Page>()
            .gives::<AskedHosts>(),
        Route::get(
            "/operator/v1/inquiries/{id}/hosts/{host}/catalog",
            OPERATOR,
            "The catalog that a host of an inquiry would have; secrets in it are closed.",
            inquiries::catalog_of,
        )
        .gives_bytes(CATALOG_MEDIA, inquiries::CATALOG_HTTP),
    ]
}

/// What answers to a table of routes; everything else is not found.
pub fn router(table: Vec<Route>, server: &Arc<Server>) -> Router {
    let mut router = Router::new();
    for route in table {
        let door = Door::of(&route, server);
        router = router.route(route.path, route.handler.route_layer(from_fn_with_state(door, admit)));
    }
    router
        .fallback(|| async { Refusal::new(Code::NotFound, "there is nothing under this path") })
        .method_not_allowed_fallback(|| async { Refusal::new(Code::MethodNotAllowed, "this path does not know the method") })
        .with_state(Arc::clone(server))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::route::Content;

    #[test]
    fn no_route_stands_twice_and_anonymous_ones_are_few() {
        let all = || agents().into_iter().chain(operators());
        let names: BTreeSet<String> = all().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(names.len(), all().count());
        let open: Vec<&str> = all().filter(|route| route.who == Who::Anyone).map(|route| route.path).collect();
        assert_eq!(open, ["/v1/live", "/v1/authority", "/v1/enrolment", "/v1/enrolment/{id}", "/health"]);
    }

    #[test]
    fn hosts_and_operators_have_listeners_of_their_own() {
        assert!(agents().iter().all(|route| !matches!(route.who, Who::Role(_)) && route.path.starts_with("/v1/")));
        assert!(operators().iter().all(|route| !matches!(route.who, Who::Host | Who::RenewingHost)));
    }

    #[test]
    fn every_body_is_bounded() {
        for route in agents().into_iter().chain(operators()) {
            assert_eq!(matches!(route.takes, Content::Nothing), route.body_max == 0, "{}", route.path);
        }
    }
}
