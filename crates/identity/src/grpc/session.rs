//! `Sessions`: signing in and out.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::sessions_server;
use clientele_kernel::Error as KernelError;
use clientele_platform::proto;
use tonic::{Request, Response, Status};

use super::respond;
use crate::app::session::{Sessions as App, SignIn};
use crate::domain::password::Password;
use crate::{Error, contract};

const LONGEST_ADDRESS: usize = 100;
const LONGEST_USER_AGENT: usize = 300;

/// Serves `clientele.identity.v1.Sessions`.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) app: App,
}

impl Sessions {
    async fn create(&self, request: pb::CreateSessionRequest) -> Result<pb::CreateSessionResponse, Error> {
        for (field, text, most) in [
            ("client_address", &request.client_address, LONGEST_ADDRESS),
            ("user_agent", &request.user_agent, LONGEST_USER_AGENT),
        ] {
            if text.chars().nth(most).is_some() {
                return Err(KernelError::invalid(field, format!("has more than {most} characters")).into());
            }
        }
        let password = Password::parse(&request.password, "password")?;
        let attempt =
            SignIn { login: request.login, password, address: request.client_address, user_agent: request.user_agent };
        let signed_in = self.app.create(attempt).await?;
        Ok(pb::CreateSessionResponse {
            session_secret: signed_in.secret.reveal(),
            expires_at: Some(proto::timestamp(signed_in.expires_at)),
            user: Some(contract::user(&signed_in.user)),
        })
    }
}

#[tonic::async_trait]
impl sessions_server::Sessions for Sessions {
    async fn create_session(
        &self,
        request: Request<pb::CreateSessionRequest>,
    ) -> Result<Response<pb::CreateSessionResponse>, Status> {
        respond(self.create(request.into_inner()).await)
    }

    async fn delete_session(
        &self,
        request: Request<pb::DeleteSessionRequest>,
    ) -> Result<Response<pb::DeleteSessionResponse>, Status> {
        let done = self.app.delete(&request.get_ref().session_secret).await;
        respond(done.map(|()| pb::DeleteSessionResponse {}))
    }
}
