//! Codes of the lints: what compiles and is probably not meant.

use super::Code;

codes! { LINTS:
    UNUSED_MODULE = "KE0801", "a module that nobody uses",
        "No `use` leads to the module from a host, a group or a selector. It is checked all the same, but changes nothing anywhere. `lints` in keel.toml says how seriously this is taken.";
    UNUSED_VARIABLE = "KE0802", "a variable that nothing uses",
        "The inventory sets a variable whose name stands in no manifest, template or expression. Often a name is misspelt on one of the two sides. `lints` in keel.toml says how seriously this is taken.";
    SHADOWED_NAME = "KE0803", "a name that hides another one",
        "A `let` or a `for` gives a name that a block around it or the inventory has already, and everything behind it means the new one. `lints` in keel.toml says how seriously this is taken.";
    MISSING_FACTS = "KE0804", "hosts without recorded facts",
        "The site uses facts, and some hosts have none in `facts/`: what depends on facts cannot be checked for them. `keel facts` prints those of a host; `keel check --profile FILE`, or `profile` in keel.toml for all that is no run, assumes some. `lints` in keel.toml says how seriously this is taken.";
    UNPROVIDED_FOLDER = "KE0805", "a file in a folder that nobody provides",
        "The folder is none of a bare system's, no resource makes it, and no package in the same module could bring it. If it is there for another reason, nothing is wrong. `lints` in keel.toml says how seriously this is taken.";
    CLUSTER_DISAGREES = "KE0806", "members of a cluster that declare different things",
        "Every member of a cluster carries what belongs to the cluster, and any of them may be the one that acts: what two of them declare differently changes back and forth. Who belongs together is read from the members that each host's corosync.conf names. `lints` in keel.toml says how seriously this is taken.";
    CLUSTER_NODE_ID = "KE0807", "a node id that two members have",
        "Corosync and Pacemaker know members by their ids. Two with the same one are one member that is in two places, and the second is not let in. `lints` in keel.toml says how seriously this is taken.";
    CLUSTER_EVEN_VOTERS = "KE0808", "a cluster with an even number of votes",
        "Where the network breaks in the middle, neither half has more votes than the other, and the whole cluster stops. Corosync clusters are looked at by their node list, unless `two_node`, a quorum device or a tie breaker decides; Galera clusters by the hosts that share a `wsrep_cluster_name`, arbitrators included. `lints` in keel.toml says how seriously this is taken.";
    CLUSTER_SEEDS = "KE0809", "several hosts that begin one cluster",
        "An empty `gcomm://` has a Galera member begin a new cluster whenever it starts. Two of them are two clusters of the same name, with different data. `lints` in keel.toml says how seriously this is taken.";
    PLAIN_SECRET = "KE0810", "a secret in plain text",
        "An attribute that holds a password or the like is given as plain text: it stands in the site's repository, in catalogs, and in what `keel diff` shows. `keel secret set PATH` puts it among the site's secrets, and `(secret)\"PATH\"` names it. `lints` in keel.toml says how seriously this is taken.";
}
