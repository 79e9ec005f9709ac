//! Codes of the graph: relations, what resources touch, and the whole fleet.

use super::Code;

codes! { GRAPH:
    CYCLE = "KE0701", "relations go in a circle",
        "Each resource in the circle waits for the next one, so none could ever begin. The message shows the whole circle; remove or turn one of its relations.";
    UNORDERED_WRITES = "KE0702", "two resources write the same without an order",
        "Both resources decide the state of one thing, and nothing says which comes first: the result would be a matter of luck. Put a relation between them, or let one resource do it.";
    PARENT_ABSENT = "KE0703", "a folder is removed that something needs",
        "One resource removes a folder in which another one keeps something.";
    SAME_THING = "KE0704", "two resources are one thing",
        "Two resources of one type with different titles manage the same path, user, unit or the like; or two elements of a cluster's configuration have one id, which are unique there whatever they name.";
    FLEET_DANGLING = "KE0705", "a relation to another host points at nothing",
        "The other host's catalog does not hold the target. `optional=#true` allows that where it is meant.";
    FLEET_CYCLE = "KE0706", "hosts wait for each other in a circle",
        "Following the relations over all hosts leads back to the beginning: these hosts would wait for each other forever.";
    FLEET_HOST = "KE0707", "a relation to a host that has no catalog",
        "The host that the relation points at is not in the inventory, or its manifests do not compile.";
    WHOLE_AND_PART = "KE0708", "a file is written as a whole and in a part",
        "One resource decides all of a file's content, and another one a line, a block or a setting in it: each would undo the other's work in every run, whatever their order. A `file` without content decides owner and mode only, and goes along with the others.";
    OWN_FILES = "KE0709", "a resource manages the program's own files",
        "/etc/keel/identity opens the secrets, /var/lib/keel holds what is known of the host, and /run/keel holds the lock of a run. No resource may change them.";
    FLEET_INCOMPLETE = "KE0710", "what another host orders cannot be told",
        "A `before` or `notify` with host=, group= or on= makes the other host wait, so its compile needs what the declaring host says. The declaring host's manifests have errors, and a relation to this host may be missing until they are mended.";
}
