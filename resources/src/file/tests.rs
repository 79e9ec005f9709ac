//! The rows of an operator's checklist, each as a test.
