//! Enumerations that a column holds as words. The tables check these words (`CHECK`), and a test compares the two.

/// Defines such an enumeration, and for the tests the list of all that it can be.
macro_rules! words {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$note:meta])* $word:ident,)+ }) => {
        $(#[$about])*
        pub enum $name {
            $($(#[$note])* $word,)+
        }

        #[cfg(test)]
        impl $name {
            pub(in crate::store) const ALL: &'static [Self] = &[$(Self::$word),+];
        }
    };
}

pub(in crate::store) use words;
