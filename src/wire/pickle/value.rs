//! The values of a pickle that frames need.

use std::borrow::Cow;
use std::rc::Rc;

/// A value on the stack. A clone is a handle: nothing is copied, however often a pickle refers to
/// it.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `None`, a float, or another value that does not matter.
    Nothing,
    Bool(bool),
    Int(i64),
    /// Text, which in the protocols before 3 also carries bytes.
    Text(Rc<Cow<'a, str>>),
    Bytes(Rc<Cow<'a, [u8]>>),
    /// The depth of its nesting, and its values.
    Tuple(u8, Rc<[Value<'a>]>),
    Name(Name),
    /// `dtype(text)`, with the text.
    Dtype(Rc<Cow<'a, str>>),
    /// `_reconstruct(ndarray, …)`, which gets its contents by BUILD.
    Empty,
    Array(Rc<Array<'a>>),
}

/// The names that pickles of arrays call, by their meaning.
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
    /// The distance between neighbouring elements, for each index.
    pub strides: Vec<usize>,
    pub dtype: Rc<Cow<'a, str>>,
    pub data: Rc<Cow<'a, [u8]>>,
}

/// The order of an array's elements.
#[derive(Clone, Debug)]
pub enum Order {
    /// The last index varies fastest.
    C,
    /// The first index varies fastest.
    Fortran,
    /// As C, with the indices then permuted: the first, the second, and so on.
    Axes(Vec<usize>),
}
