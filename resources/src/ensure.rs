//! Whether a thing shall be there, for the types that know nothing in between.

keel_engine::choices! {
    /// Whether what is declared is there.
    pub enum Ensure {
        /// It is.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}
