//! The values in a pickle, as far as frames need them.

use std::borrow::Cow;
use std::rc::Rc;

/// A value on the stack. A clone is a handle: nothing is copied however often a pickle
/// refers to it.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `None`, a float, or another value that does not matter.
    Nothing,
    Bool(bool),
    Int(i64),
    /// Text, which in the protocols before 3 also carries bytes.
    Text(Rc<Cow<'a, str>>),
    Bytes(Rc<Cow<'a, [u8]>>),
    /// How deep its contents are nested, and these.
    Tuple(u8, Rc<[Value<'a>]>),
    Name(Name),
    /// `dtype(text)`: the text.
    Dtype(Rc<Cow<'a, str>>),
    /// `_reconstruct(ndarray, …)`, which gets its contents by BUILD.
    Empty,
    Array(Rc<Array<'a>>),
}

/// The names that pickles of arrays call, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Reconstruct,
    FromBuffer,
    Ndarray,
    Dtype,
    Bytes,
    ByteArray,
    Encode,
}

/// A NumPy array.
#[derive(Clone, Debug)]
pub struct Array<'a> {
    pub shape: Vec<usize>,
    /// How many elements lie between neighbours, for each index.
    pub strides: Vec<usize>,
    pub dtype: Rc<Cow<'a, str>>,
    pub data: Rc<Cow<'a, [u8]>>,
}

/// In which order the elements of an array lie.
#[derive(Clone, Debug)]
pub enum Order {
    /// The last index runs fastest.
    C,
    /// The first index runs fastest.
    Fortran,
    /// As C, and then the indices change places: which of them comes first, second, ...
    Axes(Vec<usize>),
}
