//! The tests of the whole system, one module a subject.
#![cfg(test)]

mod lab_node;
mod tidy;
