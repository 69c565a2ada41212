//! NumPy arrays: the parts that make one, and the order of its elements.

use super::PickleError as Error;
use super::heap::{Array, Heap};
use super::literal::index;
use super::value::{Bytes, Value};

/// The most dimensions of an array. NumPy's own limit is 64.
const DIMENSION_LIMIT: usize = 64;

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

/// The array that a call or a state describes.
pub(super) fn array<'a>(
    heap: &mut Heap<'a>,
    shape: Value<'a>,
    kind: Value<'a>,
    order: &Order,
    data: Bytes<'a>,
) -> Result<Value<'a>, Error> {
    let dtype = match kind {
        Value::Dtype(dtype) => dtype,
        Value::Text(text) => text.word()?,
        _ => return Err(Error::Misplaced("the type of an array")),
    };
    let shape = indices(heap, shape)?;
    // The bound keeps every product of them within its type.
    let size = shape
        .iter()
        .try_fold(1usize, |size, side| size.checked_mul(*side));
    if is_bytes(dtype) && size != Some(data.length()) {
        let found = data.length();
        return Err(Error::Array(format!(
            "{found} bytes for an array of shape {shape:?}"
        )));
    }
    let (shape, strides) = if is_bytes(dtype) {
        lay_out(shape, order)?
    } else {
        // An array of another type is no frame. Nothing of it is read.
        (shape, Vec::new())
    };
    heap.array(Array {
        shape,
        strides,
        dtype,
        data,
    })
}

/// Whether the elements of this type are bytes without a sign.
pub(super) fn is_bytes(dtype: &str) -> bool {
    ["u1", "|u1", "uint8", "<u1", ">u1", "B"].contains(&dtype)
}

/// The final shape of an array, and the strides of its elements.
fn lay_out(shape: Vec<usize>, order: &Order) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let running = |sides: &mut dyn Iterator<Item = &usize>| {
        sides
            .scan(1, |stride, side| {
                let this = *stride;
                // Only an array without elements has sides whose product is out of range.
                *stride = usize::wrapping_mul(*stride, *side);
                Some(this)
            })
            .collect::<Vec<usize>>()
    };
    if let Order::Fortran = order {
        let strides = running(&mut shape.iter());
        return Ok((shape, strides));
    }
    let mut strides = running(&mut shape.iter().rev());
    strides.reverse();
    let Order::Axes(axes) = order else {
        return Ok((shape, strides));
    };
    let mut all = axes.clone();
    all.sort_unstable();
    if !all.into_iter().eq(0..shape.len()) {
        return Err(Error::Misplaced("the axes of an array"));
    }
    Ok(axes
        .iter()
        .map(|axis| (shape[*axis], strides[*axis]))
        .unzip())
}

/// The arguments of `_frombuffer` that follow the shape.
pub(super) fn order(heap: &Heap<'_>, arguments: &[Value<'_>]) -> Result<Order, Error> {
    match arguments {
        [Value::Text(order)] | [Value::Text(order), Value::None] => match order.word()? {
            "C" => Ok(Order::C),
            "F" => Ok(Order::Fortran),
            _ => Err(Error::Misplaced("the order of an array")),
        },
        [Value::Text(_), axes] => Ok(Order::Axes(indices(heap, *axes)?)),
        _ => Err(Error::Misplaced("the order of an array")),
    }
}

/// A tuple of lengths or positions.
fn indices(heap: &Heap<'_>, tuple: Value<'_>) -> Result<Vec<usize>, Error> {
    let Value::Tuple(span) = tuple else {
        return Err(Error::Misplaced("the shape of an array"));
    };
    let items = heap.of_tuple(span);
    if items.len() > DIMENSION_LIMIT {
        return Err(Error::TooMuch("dimensions"));
    }
    let one = |value: &Value<'_>| match value {
        Value::Int(number) => index(*number),
        _ => Err(Error::Misplaced("the shape of an array")),
    };
    items.iter().map(one).collect()
}
