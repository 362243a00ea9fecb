//! What who wrote STOP, START or HELP is answered by a job that sends, where no provider sends it for us.
//!
//! The message's id follows from the message that came in, so that it is sent once, however often this runs. It goes by the
//! account that the message came by: to somebody who writes to one telephone, no other one answers.

use domain::{
    Channel, CredentialId, Fingerprint, InboundId, InboundRecord, Intent, MessageClass, MessageId, OutgoingRecord,
    PersonalText, TenantId,
};
use providers::{Event, Provider};
use queue::{Attempt, Origin};

use super::Stop;
use crate::sending::{Content, Hop, Sending};
use crate::{Ctx, House, SendSms, SendWhatsapp};

/// Adds the job that answers, if there is something to answer. Once more is harmless.
pub(super) async fn add(
    ctx: &Ctx,
    attempt: &Attempt,
    event: &Event,
    inbound: &InboundRecord,
    id: InboundId,
) -> Result<(), Stop> {
    let asks = matches!(inbound.intent(), Intent::Stop | Intent::Start | Intent::Help);
    // Twilio was answered within its request; to mail nothing of the kind is owed.
    if !asks || event.provider.sends_what_its_webhook_is_answered() || !inbound.channel.is_by_number() {
        return Ok(());
    }
    let tenant = TenantId(attempt.tenant);
    let Some(sending) = answer(ctx, tenant, event, inbound, id).await? else {
        return Ok(());
    };
    let origin = Origin {
        tenant: attempt.tenant,
        correlation: attempt.correlation,
    };
    match inbound.channel {
        Channel::Whatsapp => ctx.queue.add(&SendWhatsapp::new(sending), origin).await?,
        Channel::Sms | Channel::Email => ctx.queue.add(&SendSms::new(sending), origin).await?,
    };
    Ok(())
}

async fn answer(
    ctx: &Ctx,
    tenant: TenantId,
    event: &Event,
    inbound: &InboundRecord,
    id: InboundId,
) -> Result<Option<Sending>, Stop> {
    let (Some(writer), Some(found)) = (ctx.store.writer(tenant, id).await?, ctx.store.tenant(tenant).await?) else {
        return Ok(None);
    };
    let house = House::new(&found, &ctx.store.settings(tenant).await?);
    let (Some((text, language)), Some(to)) = (house.confirm(inbound, writer.language), inbound.sender()) else {
        return Ok(None);
    };
    let Some(credential) = account(ctx, tenant, event, inbound.channel).await? else {
        tracing::warn!(
            intent = inbound.intent().as_str(),
            "Not answered: the tenant has no credentials for the account that this came by."
        );
        return Ok(None);
    };
    let message = OutgoingRecord {
        id: MessageId::of_ours(tenant, &format!("confirm/{id}")),
        fingerprint: fingerprint(id),
        channel: inbound.channel,
        recipient: to,
        class: MessageClass::Transactional,
        language: Some(language),
        template: None,
        tags: Vec::new(),
        scheduled_at: None,
        person_id: writer.person_id,
        organisation_id: writer.organisation_id,
        subject: None,
        content: None,
        to_member: false,
    };
    Ok(Some(Sending {
        message,
        from: inbound.to.clone(),
        content: Content::Text {
            text: PersonalText::new(text),
        },
        hops: vec![Hop {
            provider: event.provider,
            credential,
        }],
        hop: 0,
        confirms: true,
    }))
}

/// The same whatever it says: a name or a language that was changed meanwhile makes no other message of it.
fn fingerprint(id: InboundId) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(id.0.as_bytes());
    Fingerprint(bytes)
}

/// The tenant's credentials for the account that the event names, by what may be shown of them.
async fn account(ctx: &Ctx, tenant: TenantId, event: &Event, channel: Channel) -> Result<Option<CredentialId>, Stop> {
    let known = ctx.store.credentials(tenant).await?;
    let of_account = known.into_iter().find(|credential| {
        Provider::sending(&credential.provider) == Some(event.provider)
            && event.provider.carries(channel)
            && event.account.as_deref() == Some(&*credential.preview)
    });
    Ok(of_account.map(|credential| credential.id))
}
