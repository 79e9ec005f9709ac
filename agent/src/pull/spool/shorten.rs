//! Shortening: a report without its bodies still says which resource came to what.

use keel_engine::report::{Reason, Report};

/// The most characters of a message that stay.
const MESSAGE_MAX: usize = 200;

/// A report without changes, origins and long messages; outcomes and counts stay as they are.
pub fn shortened_report(mut report: Report) -> Report {
    for resource in &mut report.resources {
        resource.changes.clear();
        resource.refreshes.clear();
        resource.modules.clear();
        if let Some(refresh) = &mut resource.refresh {
            refresh.sources.clear();
        }
        if let Some(reason) = &mut resource.reason {
            shorten_reason(reason);
        }
    }
    report.owed.clear();
    report.released.clear();
    report.warnings.iter_mut().for_each(shorten);
    report.warnings.truncate(10);
    report.warnings.push("the report was shortened on the host, for want of space".to_owned());
    report
}

fn shorten_reason(reason: &mut Reason) {
    match reason {
        Reason::CannotTell { message, help } | Reason::ApplyFailed { message, help } | Reason::RefreshFailed { message, help } => {
            shorten(message);
            *help = None;
        }
        Reason::Until { message, .. } => *message = None,
        Reason::DidNotConverge { attributes } => attributes.truncate(5),
        _ => {}
    }
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MESSAGE_MAX) {
        text.truncate(end);
    }
}
