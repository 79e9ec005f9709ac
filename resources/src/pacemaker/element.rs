//! What an element of a cluster's configuration declares: its own attributes, and those that several kinds of elements
//! have, each said once.

/// Declares the attributes of a type: named ones that come first, its own, and named ones that come last.
macro_rules! element {
    (@with [$($head:tt)*] [$($fields:tt)*]) => {
        keel_engine::attributes! { $($head)* { $($fields)* } }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] own($($own:tt)*) $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)* $($own)*] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] id $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// Its id in the cluster.
            [title] pub id: String,
            /// Whether it is there.
            pub ensure: $crate::ensure::Ensure = $crate::ensure::Ensure::Present,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] name $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// The name.
            [title] pub name: String,
            /// Whether it is there.
            pub ensure: $crate::ensure::Ensure = $crate::ensure::Ensure::Present,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] description $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// What it is for.
            pub description: Option<String>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] params $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// The parameters of the agent: exactly these. Which ones there are the agent says itself; unknown ones are refused.
            pub params: indexmap::IndexMap<String, $crate::pacemaker::word::Word>,
            /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
            pub params_set: $crate::pacemaker::Tables,
            /// Sets of other elements that count here, too, by their ids.
            pub params_from: Vec<String>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] passed_params $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// Parameters that what is in it gets, too: exactly these.
            pub params: indexmap::IndexMap<String, $crate::pacemaker::word::Word>,
            /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
            pub params_set: $crate::pacemaker::Tables,
            /// Sets of other elements that count here, too, by their ids.
            pub params_from: Vec<String>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] meta $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// Its meta attributes, such as `target-role`, `is-managed` and `resource-stickiness`: exactly these.
            pub meta: indexmap::IndexMap<String, $crate::pacemaker::word::Word>,
            /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
            pub meta_set: $crate::pacemaker::Tables,
            /// Sets of other elements that count here, too, by their ids.
            pub meta_from: Vec<String>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] operations $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// The operations by name: exactly these, each with `interval`, `timeout`, `role`, `on_fail`, `enabled`,
            /// `start_delay`, `params`, `meta`. A second one of a name gets another word and its `name`.
            pub op: $crate::pacemaker::Tables,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] utilization $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// What it takes of its node, such as `cpu` and `memory`: exactly these.
            pub utilization: indexmap::IndexMap<String, $crate::pacemaker::word::Word>,
            /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
            pub utilization_set: $crate::pacemaker::Tables,
            /// Sets of other elements that count here, too, by their ids.
            pub utilization_from: Vec<String>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] value $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// The value.
            pub value: Option<$crate::pacemaker::word::Word>,
            /// The set that it stands in, by id. Not given: the first one without a rule.
            pub set: Option<String>,
            /// When its whole set holds, such as `date spec hours=22-23`; only with `set`.
            pub rule: Option<keel_engine::value::Value>,
            /// Which of several sets comes first: the higher; only with `set`.
            pub score: Option<$crate::pacemaker::word::Plain>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] resource_sets $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// Sets of resources instead of single ones, in their order, each by any name: `resources`, `sequential`, `require_all`,
            /// `action`, `role`, `score`.
            pub set: $crate::pacemaker::Tables,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] lifetime $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// When it holds: a `rule`.
            pub lifetime: Option<indexmap::IndexMap<String, keel_engine::value::Value>>,
        ] $($rest)* }
    };
    (@with [$($head:tt)*] [$($fields:tt)*] may_stop $($rest:tt)*) => {
        $crate::pacemaker::element::element! { @with [$($head)*] [$($fields)*
            /// Resources of the cluster that this may stop or move, beside those that it names itself, and nodes that may be
            /// fenced; `*` for all. A change that would stop or fence anything else is refused in the plan already.
            [how] pub may_stop: Vec<String>,
        ] $($rest)* }
    };
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident: $type_name:literal [$($first:ident)*] { $($own:tt)* } [$($last:ident)*]
    ) => {
        $crate::pacemaker::element::element! {
            @with [$(#[doc = $doc])+ pub struct $name: $type_name] [] $($first)* own($($own)*) $($last)*
        }
    };
}
pub(super) use element;
