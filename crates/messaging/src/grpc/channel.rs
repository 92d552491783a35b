//! `Channels`: where customers write from.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::channels_server::Channels;
use clientele_kernel::{ChannelId, Error, Etag};
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, Command, proto};
use tonic::{Request, Response, Status as Refusal};

use crate::app::channel::Channels as App;
use crate::contract::channel::{change, encode, statement};
use crate::domain::channel::ChannelStatement;

const CREATE: &str = "/clientele.messaging.v1.Channels/CreateChannel";
const UPDATE: &str = "/clientele.messaging.v1.Channels/UpdateChannel";

/// Serves `Channels`.
pub(crate) struct ChannelService(pub(crate) App);

#[async_trait::async_trait]
impl Channels for ChannelService {
    async fn list_channels(
        &self,
        request: Request<pb::ListChannelsRequest>,
    ) -> Result<Response<pb::ListChannelsResponse>, Refusal> {
        let request = request.into_inner();
        let page = self.0.list(request.page_size, &request.page_token).await.map_err(refuse)?;
        let channels = page.channels.iter().map(encode).collect();
        Ok(Response::new(pb::ListChannelsResponse { channels, next_page_token: page.next_page_token }))
    }

    async fn create_channel(
        &self,
        request: Request<pb::CreateChannelRequest>,
    ) -> Result<Response<pb::Channel>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn update_channel(
        &self,
        request: Request<pb::UpdateChannelRequest>,
    ) -> Result<Response<pb::Channel>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.update(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}

impl ChannelService {
    async fn create(&self, caller: &Caller, request: &pb::CreateChannelRequest) -> Result<pb::Channel, Error> {
        let sent = request.channel.as_ref().ok_or_else(|| Error::invalid("channel", "is missing"))?;
        let said = statement(sent).and_then(ChannelStatement::check).map_err(|error| error.within("channel"))?;
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request };
        self.0.create(command, said, encode).await
    }

    async fn update(&self, caller: &Caller, request: &pb::UpdateChannelRequest) -> Result<pb::Channel, Error> {
        let sent = request.channel.as_ref().ok_or_else(|| Error::invalid("channel", "is missing"))?;
        let id = ChannelId::parse(&sent.id, "channel.id")?;
        let etag = Etag::parse(&sent.etag, "channel.etag")?;
        let fields =
            proto::mask(request.update_mask.clone(), &["name", "allowed_origins", "store_id", "greeting", "active"])?;
        let change = change(sent, &fields).check().map_err(|error| error.within("channel"))?;
        let command = Command { caller, method: UPDATE, request_id: &request.request_id, request };
        self.0.update(command, id, etag, change, encode).await
    }
}
