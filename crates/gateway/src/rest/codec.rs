//! Messages over gRPC without generated code.
//!
//! A stream that goes to a service may [break off](Part::Broken). To end it would tell the service that everything has
//! arrived; a part that cannot be encoded resets the call instead, over the network and within the process.

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Encodes any message and decodes answers of one type.
#[derive(Debug, Clone)]
pub(crate) struct DynamicCodec {
    pub(crate) answer: MessageDescriptor,
}

/// Encodes any message.
#[derive(Debug)]
pub(crate) struct DynamicEncoder;

/// A part of a stream that goes to a service.
#[derive(Debug)]
pub(crate) enum Part {
    /// The next message.
    Message(DynamicMessage),
    /// What should follow will never come.
    Broken,
}

/// Encodes the parts of a stream and decodes answers of one type.
#[derive(Debug, Clone)]
pub(crate) struct StreamCodec {
    pub(crate) answer: MessageDescriptor,
}

/// Encodes the parts of a stream.
#[derive(Debug)]
pub(crate) struct PartEncoder;

/// Decodes messages of one type.
#[derive(Debug)]
pub(crate) struct DynamicDecoder(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        DynamicDecoder(self.answer.clone())
    }
}

impl Codec for StreamCodec {
    type Encode = Part;
    type Decode = DynamicMessage;
    type Encoder = PartEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        PartEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        DynamicDecoder(self.answer.clone())
    }
}

impl Encoder for PartEncoder {
    type Item = Part;
    type Error = Status;

    fn encode(&mut self, part: Part, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match part {
            Part::Message(message) => DynamicEncoder.encode(message, to),
            Part::Broken => Err(Status::cancelled("the sender broke off")),
        }
    }
}

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(to).map_err(|error| Status::internal(format!("the request cannot be encoded: {error}")))
    }
}

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), from)
            .map(Some)
            .map_err(|error| Status::internal(format!("the answer cannot be decoded: {error}")))
    }
}
