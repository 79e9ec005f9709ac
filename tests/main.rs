//! The tests of the whole system, one module a subject.

mod lab_node;
