//! Codes of the language: what statements, modules and resources can have wrong.

use super::Code;

codes! { LANGUAGE:
    OUTSIDE = "KE0201", "a statement outside of every block",
        "At the top of a manifest stand `module`, `host`, `group`, `on`, `let`, `defaults` and `prune`. Resources and uses stand in one of the first four, so that it is always said who gets them.";
    MISSING_NAME = "KE0202", "something is missing from a statement",
        "The help shows the statement's whole form.";
    UNEXPECTED = "KE0203", "a statement does not take this",
        "A property, value or block stands where the statement has none. Nothing is ignored silently.";
    DUPLICATE_ATTRIBUTE = "KE0204", "an attribute is given twice",
        "An attribute may be given once, as a property or as a child. KDL itself would let the last one win, and one of the two would be wrong without a word.";
    BAD_ANNOTATION = "KE0205", "an annotation that says nothing here",
        "Values take (lit), (secret) and (expr); references are (type)title after a relation word; parameters have their type.";
    STRAY_ELSE = "KE0206", "an `elif` or `else` without its `if`",
        "`elif` and `else` directly follow the block they belong to, each on a new line.";
    BAD_KIND = "KE0207", "a parameter's type is unknown",
        "Types are string, int, float, bool, path, host, ip, cidr, port, duration, size, secret, any, list<T>, map<T>, enum<a,b>, and T? for what may be null.";
    DUPLICATE_PARAMETER = "KE0208", "a parameter's name is taken",
        "The names of a module's parameters differ from one another and from the words of the language.";
    MISPLACED = "KE0209", "a statement in the wrong block",
        "The statement is known, but it has its place elsewhere; the help says where.";
    DUPLICATE_MODULE = "KE0210", "two modules have one name",
        "A module's name is unique in a site. A site's own module may replace one of the stock library, and `keel check` notes that.";
    UNKNOWN_MODULE = "KE0211", "an unknown module",
        "There is neither a module of this name in the site's manifests, nor a file modules/NAME/module.kdl, nor a module of the stock library.";
    MODULE_LOOP = "KE0212", "a module uses itself",
        "Following the uses of a module leads back to it, or the uses are more than 64 deep. Break the circle; a loop over values is written with `for`.";
    UNKNOWN_TYPE = "KE0213", "an unknown resource type",
        "`keel doc` lists the resource types there are.";
    UNKNOWN_ATTRIBUTE = "KE0214", "an unknown attribute",
        "Attributes are never ignored. `keel doc TYPE` lists what the type has.";
    BAD_ATTRIBUTE = "KE0215", "an attribute's value is refused",
        "The value has the wrong type or is outside of what the attribute takes; `keel doc TYPE` says more.";
    MISSING_ATTRIBUTE = "KE0216", "a required attribute is missing",
        "The type cannot do without this attribute, and it has no default.";
    UNKNOWN_PARAMETER = "KE0217", "an unknown parameter",
        "The module has no parameter of this name.";
    BAD_PARAMETER = "KE0218", "a parameter's value is refused",
        "The value is not of the type that the module declares for its parameter. Values are never converted silently.";
    MISSING_PARAMETER = "KE0219", "a parameter has no value",
        "The use does not give it, no variable MODULE.PARAMETER gives it, and it has no default.";
    DUPLICATE_RESOURCE = "KE0220", "a resource is declared twice, differently",
        "The same resource declared twice with the same attributes is one. With different ones, nobody could say which holds: use a module's parameter, or `override`.";
    DUPLICATE_USE = "KE0221", "a module is used twice, differently",
        "The same module used twice with the same arguments is one use. With different ones it would be two answers to one question.";
    DANGLING = "KE0222", "a relation points at nothing",
        "The target is not in the catalog of this host. `optional=#true` allows that where it is meant.";
    BAD_RELATION = "KE0223", "a relation is written wrongly",
        "Relations are `require`, `before`, `notify` and `subscribe` with (type)title, and optionally host=, group= or on=, optional= and effect=.";
    OVERRIDE_TWICE = "KE0224", "a resource is overridden twice",
        "An override changes a resource once. Two of them would have to be applied in an order that nobody sees.";
    OVERRIDE_NOTHING = "KE0225", "an override without its target",
        "The resource to override is not in the catalog of this host.";
    FAILED = "KE0226", "a manifest says `fail`",
        "The author of the manifest refuses this host; the text says why.";
    WARNED = "KE0227", "a manifest says `warn`",
        "The author of the manifest has something to say; the compile goes on.";
    SECRET_IN_NAME = "KE0228", "a secret where everybody reads it",
        "Titles, paths, conditions, messages and tags are printed everywhere, so no secret may be part of them.";
    BAD_TITLE = "KE0229", "a title that cannot be used",
        "Titles are texts that are not empty, hold no control characters, mix no alphabets and use no combining characters, so that two that look alike are alike.";
    BAD_LOOP = "KE0230", "a loop over something else",
        "`for item in=` goes over a list; `for key value in=` goes over a table.";
    BARE_EXPRESSION = "KE0231", "braces around a bare expression",
        "`if`, `elif`, `when` and `in` take an expression as it is, without {{ }}.";
    BAD_BINDING = "KE0232", "a name that `let` cannot give",
        "A name begins with a letter, goes on with letters, digits and `_`, and is not one of the built-in variables.";
    LIBRARY_REPLACED = "KE0233", "a module replaces one of the stock library",
        "The site has its own module of this name, and that one is used. Nothing is wrong, but updates of the stock module do not reach this site.";
    UNKNOWN_ASSIGNEE = "KE0234", "an unknown host or group",
        "The inventory has no host or group of this name.";
    NOBODY = "KE0235", "a selector that means nobody",
        "The selector or group of a block or relation means no host at present.";
    SOURCE_MISSING = "KE0236", "a source that does not exist",
        "Sources are files or folders in the module's `files` folder, or in the site's `files` for what stands in no module.";
    SOURCE_PATH = "KE0237", "a source outside of its folder",
        "Sources are relative paths below the `files` folder, without `..`, backslashes and links that lead out, or absolute paths on the host itself.";
    TOO_MANY_RESOURCES = "KE0238", "a catalog is too large",
        "A catalog holds 20,000 resources, and 16 MiB of rendered text.";
    TOO_MANY_RELATIONS = "KE0239", "a catalog has too many relations",
        "A catalog holds a million relations. Relations to a whole module, (module)NAME, replace many single ones.";
    NO_SITE = "KE0240", "there is no manifest",
        "A site has its manifests below `manifests/`; the first one is usually manifests/site.kdl.";
    MODE_NUMBER = "KE0241", "a file mode as a number",
        "Modes are texts, \"0644\", or octal numbers, 0o644: the decimal number 644 would be another mode.";
    CONTENT_TWICE = "KE0242", "a content from two places",
        "`content`, `template` and `source` each say what a file holds; one of them is enough.";
    BAD_SCHEDULE = "KE0244", "a schedule that cannot be kept to",
        "A schedule is written `schedule \"night\" range=\"02:00-05:00\" days=\"mon-fri\" timezone=\"Europe/Berlin\"`. Several ranges are several arguments of a child `range`; what ends before it begins ends on the next day. Without `days` it is every day, without `timezone` the host's own clock counts.";
    UNKNOWN_SCHEDULE = "KE0245", "an unknown schedule",
        "A resource or a use names a schedule that no statement `schedule NAME ...` of this host declares.";
    NOT_PURGEABLE = "KE0246", "a type that cannot be purged",
        "`purge TYPE max=N` removes what no resource declares. That needs a type whose things can all be listed and removed, such as `user` or `cron`. Files are purged folder by folder: `recurse=#true purge=#true`.";
    PURGED_TWICE = "KE0247", "a type is purged twice, in different ways",
        "A host has one `purge` of a type: the same limit, the same names to keep, the same schedule, wherever it stands.";
    BAD_GUARD = "KE0248", "a guard that cannot be kept to",
        "A guard is written `guard \"galera\" members=\"{{ groups.db.hosts }}\" max=1 { ready { tcp \"127.0.0.1:3306\" } }`. Its members are hosts of the inventory, and who names it is one of them; `max` is less than their number; `ready` takes what the type `wait` takes, and every member has it looked at on itself; `drain` and `undrain` are commands that take the member out of service before it is interrupted and bring it back, both or none. `ask` takes what `wait` takes, too: how another member, the host `member`, is seen to be well from the host that asks; with it members take turns of the length `turn` where there is no server.";
    UNKNOWN_GUARD = "KE0249", "an unknown guard",
        "A resource or a use names a guard that no statement `guard NAME ...` of this host declares.";
}
