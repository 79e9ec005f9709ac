//! Whole-system tests of Evenkeel.
