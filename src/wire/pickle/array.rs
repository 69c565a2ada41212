//! NumPy arrays: the parts that make one, and the order of its elements.

use std::borrow::Cow;
use std::rc::Rc;

use super::PickleError as Error;
use super::literal::index;
use super::value::{Array, Order, Value};

/// The most dimensions of an array. Those of frames have three.
const DIMENSION_LIMIT: usize = 8;

/// The array that a call or a state describes.
pub(super) fn array<'a>(
    shape: &Value<'a>,
    kind: &Value<'a>,
    order: &Order,
    data: &Rc<Cow<'a, [u8]>>,
) -> Result<Value<'a>, Error> {
    let (Value::Dtype(dtype) | Value::Text(dtype)) = kind else {
        return Err(Error::Misplaced("the type of an array"));
    };
    let shape = indices(shape)?;
    // The bound keeps every product of them within its type.
    let size = shape
        .iter()
        .try_fold(1usize, |size, side| size.checked_mul(*side));
    if size != Some(data.len()) {
        let found = data.len();
        return Err(Error::NotAFrame(format!(
            "{found} bytes for an array of shape {shape:?}"
        )));
    }
    let (shape, strides) = lay_out(shape, order)?;
    Ok(Value::Array(Rc::new(Array {
        shape,
        strides,
        dtype: Rc::clone(dtype),
        data: Rc::clone(data),
    })))
}

/// The final shape of an array, and the strides of its elements.
fn lay_out(shape: Vec<usize>, order: &Order) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let running = |sides: &mut dyn Iterator<Item = &usize>| {
        sides
            .scan(1, |stride, side| {
                let this = *stride;
                *stride *= side;
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
pub(super) fn order(arguments: &[Value<'_>]) -> Result<Order, Error> {
    match arguments {
        [Value::Text(order)] | [Value::Text(order), Value::Nothing] => match &***order {
            "C" => Ok(Order::C),
            "F" => Ok(Order::Fortran),
            _ => Err(Error::Misplaced("the order of an array")),
        },
        [Value::Text(_), axes] => Ok(Order::Axes(indices(axes)?)),
        _ => Err(Error::Misplaced("the order of an array")),
    }
}

/// A tuple of lengths or positions.
fn indices(tuple: &Value<'_>) -> Result<Vec<usize>, Error> {
    let Value::Tuple(_, items) = tuple else {
        return Err(Error::Misplaced("the shape of an array"));
    };
    if items.len() > DIMENSION_LIMIT {
        return Err(Error::TooMuch("dimensions"));
    }
    let one = |value: &Value<'_>| match value {
        Value::Int(number) => index(*number),
        _ => Err(Error::Misplaced("the shape of an array")),
    };
    items.iter().map(one).collect()
}
