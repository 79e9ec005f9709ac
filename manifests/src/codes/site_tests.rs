//! Codes of `keel test`: what a site's own tests find.

use super::Code;

codes! { SITE_TESTS:
    TEST_FORM = "KE0901", "a test that cannot be tried",
        "A file in `tests/` holds `test \"NAME\" { ... }`: who it is about (`host`, `group`, `on`), what is given (`facts`, `variables`), and what is expected (`contains`, `lacks`, `orders`, `refreshes`, or `fails` alone).";
    TEST_NO_CATALOG = "KE0902", "a test of a host without a catalog",
        "The host does not compile with what the test gives, so nothing can be expected of its catalog. What is wrong is said as `keel check` says it. `fails` is how a test expects it.";
    TEST_MISSING = "KE0903", "expected, and not in the catalog",
        "A test expects a resource that the host's catalog does not contain.";
    TEST_DIFFERENT = "KE0904", "expected otherwise",
        "A test expects another value of an attribute than the host's catalog has.";
    TEST_PRESENT = "KE0905", "not expected, and in the catalog",
        "A test says that the catalog lacks a resource, and it contains it.";
    TEST_UNORDERED = "KE0906", "no such order",
        "A test expects one thing before another, and no chain of relations, written or automatic, leads from the first to the second.";
    TEST_UNREFRESHED = "KE0907", "no such refresh",
        "A test expects that a change of one thing refreshes another, and no `notify` or `subscribe` says so.";
    TEST_COMPILES = "KE0908", "a compile that was expected to fail",
        "A test expects that the host does not compile, or that it fails in a certain way, and it does not.";
    CONVERGES_ELSEWHERE = "KE0911", "the end depends on the start",
        "From one state the host's files converge to another end than from an empty root. Often an order is missing between two resources that write into one file.";
    SECOND_RUN = "KE0912", "a second run changes something",
        "A run that follows a whole run has to find nothing to do. Two resources that want different things of one file undo each other's work.";
    FAILS_FROM = "KE0913", "a run that fails from some states",
        "From one state a run fails that does not fail from another. Often something is required that no relation brings first.";
}
