/* The C codec as a filter: requests on stdin, answers on stdout, each a u32 length (the machine's own) and so many bytes.

   A request is a letter and bytes. F: a body to its frame. D: a stream to frames, damaged, junk and held (u32 each) and,
   after u32 lengths, its bodies; the first u32 is the decoder's room. R: a body to its verdict (one byte) and what
   encode makes of the message. T: a body to the message's fields as text. S: rows and channels (a byte each) to the body
   of SAMPLES that are all 0. M: a model to the body of an INFO without channels. */

#include "cablelink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *answer;
static size_t answered;

static void add(const void *data, size_t length)
{
    answer = realloc(answer, answered + length + 1);
    if (length > 0) {
        memcpy(answer + answered, data, length);
    }
    answered += length;
}

static void add_u32(uint32_t value)
{
    add(&value, sizeof value);
}

static void add_field(const char *name, long long value)
{
    char text[64];
    add(text, (size_t)snprintf(text, sizeof text, " %s=%lld", name, value));
}

static void add_hex(const char *name, const uint8_t *data, size_t length)
{
    char text[64];
    size_t k;
    add(text, (size_t)snprintf(text, sizeof text, " %s=", name));
    for (k = 0; k < length; k++) {
        add(text, (size_t)snprintf(text, sizeof text, "%02x", data[k]));
    }
}

static void describe_info(const cablelink_info *info)
{
    uint8_t k;
    add_field("major", info->major);
    add_field("minor", info->minor);
    add_field("max_body", info->max_body);
    add_field("firmware", info->firmware);
    add_hex("uid", info->uid, sizeof info->uid);
    add_field("boot_id", info->boot_id);
    add_field("rate_hz", info->rate_hz);
    add_field("batch", info->batch);
    for (k = 0; k < info->channels; k++) {
        cablelink_channel channel = cablelink_channel_at(info, k);
        uint8_t bits[4];
        add_field("kind", channel.kind);
        add_field("side", channel.side);
        add_field("unit", channel.unit);
        cablelink_put_f32(bits, channel.scale);
        add_hex("scale", bits, sizeof bits);
        cablelink_put_f32(bits, channel.offset);
        add_hex("offset", bits, sizeof bits);
    }
    add_hex("model", info->model.data, info->model.length);
}

static void describe_samples(const cablelink_samples *samples)
{
    uint8_t row, channel;
    add_field("dt_us", samples->dt_us);
    add_field("status", samples->status);
    add_field("rows", samples->rows);
    for (row = 0; row < samples->rows; row++) {
        for (channel = 0; channel < samples->channels; channel++) {
            add_field("count", cablelink_count_at(samples, row, channel));
        }
    }
}

static void describe(const cablelink_message *said)
{
    add_field("type", said->type);
    add_field("source", said->source);
    add_field("sequence", said->sequence);
    add_field("t_us", said->t_us);
    switch (said->type) {
    case CABLELINK_INFO:
        describe_info(&said->as.info);
        break;
    case CABLELINK_SAMPLES:
        describe_samples(&said->as.samples);
        break;
    case CABLELINK_EVENT:
        add_field("code", said->as.event.code);
        add_field("side", said->as.event.side);
        add_field("detail", said->as.event.detail);
        break;
    case CABLELINK_ACK:
        add_field("of_sequence", said->as.ack.of_sequence);
        add_field("command", said->as.ack.command);
        add_field("result", said->as.ack.result);
        add_field("value", said->as.ack.value);
        break;
    case CABLELINK_PING:
    case CABLELINK_PONG:
        add_field("host_ns_high", (long long)(said->as.host_ns >> 32));
        add_field("host_ns_low", (long long)(said->as.host_ns & 0xFFFFFFFFu));
        break;
    case CABLELINK_STATUS:
        add_field("battery_mv", said->as.status.battery_mv);
        add_field("rssi", said->as.status.rssi);
        add_field("flags", said->as.status.flags);
        add_field("temperature_c_x10", said->as.status.temperature_c_x10);
        add_field("samples_lost", said->as.status.samples_lost);
        break;
    case CABLELINK_LOG:
        add_field("level", said->as.log.level);
        add_hex("text", said->as.log.text.data, said->as.log.text.length);
        break;
    case CABLELINK_START:
        add_field("rate_hz", said->as.start.rate_hz);
        add_field("batch", said->as.start.batch);
        add_field("channel_mask", said->as.start.channel_mask);
        break;
    case CABLELINK_TARE:
        add_field("mask", said->as.tare.mask);
        add_field("samples", said->as.tare.samples);
        break;
    case CABLELINK_SET_PARAM:
        add_field("id", said->as.param.id);
        add_field("value", said->as.param.value);
        break;
    case CABLELINK_GET_PARAM:
        add_field("id", said->as.param.id);
        break;
    case CABLELINK_IDENTIFY:
        add_field("seconds", said->as.seconds);
        break;
    case CABLELINK_GET_INFO:
    case CABLELINK_STOP:
    case CABLELINK_REBOOT:
        break;
    default:
        add_hex("payload", said->as.payload.data, said->as.payload.length);
        break;
    }
}

static void frame(const uint8_t *body, size_t length)
{
    uint8_t out[CABLELINK_MAX_FRAME + 1];
    add(out, cablelink_frame(body, length, out, sizeof out));
}

static void decode_stream(const uint8_t *stream, size_t length)
{
    cablelink_decoder decoder;
    uint32_t room;
    uint8_t *buffer;
    size_t k;
    memcpy(&room, stream, sizeof room);
    buffer = malloc(room); /* of its own, so that the sanitiser sees a byte beyond it */
    cablelink_decoder_begin(&decoder, buffer, room);
    add_u32(0);
    add_u32(0);
    add_u32(0);
    add_u32(0);
    for (k = sizeof room; k < length; k++) {
        size_t found = cablelink_decoder_take(&decoder, stream[k]);
        if (found > 0) {
            add_u32((uint32_t)found);
            add(buffer, found);
        }
    }
    memcpy(answer, &decoder.frames, 4);
    memcpy(answer + 4, &decoder.damaged, 4);
    memcpy(answer + 8, &decoder.junk, 4);
    room = (uint32_t)decoder.held;
    memcpy(answer + 12, &room, 4);
    free(buffer);
}

static void encode_samples(const uint8_t *shape)
{
    static const uint8_t zeros[4 * 255 * 255];
    uint8_t made[CABLELINK_MAX_BODY];
    cablelink_message message;
    memset(&message, 0, sizeof message);
    message.type = CABLELINK_SAMPLES;
    message.as.samples.rows = shape[0];
    message.as.samples.channels = shape[1];
    message.as.samples.counts = zeros;
    add(made, cablelink_encode(&message, made, sizeof made));
}

static void encode_model(const uint8_t *model, size_t length)
{
    uint8_t made[CABLELINK_MAX_BODY + 8];
    cablelink_message message;
    memset(&message, 0, sizeof message);
    message.type = CABLELINK_INFO;
    message.as.info.model.data = model;
    message.as.info.model.length = length;
    add(made, cablelink_encode(&message, made, sizeof made));
}

int main(void)
{
    uint32_t length;
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        uint8_t *asked = malloc(length), *body = malloc(length > 1 ? length - 1 : 1); /* each just as large as it is */
        cablelink_message said;
        cablelink_verdict verdict;
        uint8_t made[CABLELINK_MAX_BODY], first;
        if (length == 0 || fread(asked, length, 1, stdin) != 1) {
            return 1;
        }
        memcpy(body, asked + 1, length - 1);
        answered = 0;
        add(NULL, 0);
        switch (asked[0]) {
        case 'F':
            frame(body, length - 1);
            break;
        case 'D':
            decode_stream(body, length - 1);
            break;
        case 'S':
            encode_samples(body);
            break;
        case 'M':
            encode_model(body, length - 1);
            break;
        default:
            verdict = cablelink_decode(body, length - 1, &said);
            if (asked[0] == 'T') {
                if (verdict != CABLELINK_IS_MALFORMED) {
                    describe(&said);
                }
                break;
            }
            first = (uint8_t)verdict;
            add(&first, 1);
            if (verdict != CABLELINK_IS_MALFORMED) {
                add(made, cablelink_encode(&said, made, sizeof made));
            }
            break;
        }
        length = (uint32_t)answered;
        fwrite(&length, sizeof length, 1, stdout);
        fwrite(answer, answered, 1, stdout);
        fflush(stdout);
        free(asked);
        free(body);
    }
    free(answer);
    return 0;
}
