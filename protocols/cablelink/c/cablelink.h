/* cablelink in C: messages to bytes and back, frames to bytes and back.

   One header, C99. It allocates nothing, prints nothing and needs stdbool, stddef and stdint only, so it builds for a
   small microcontroller (-ffreestanding) as for a host. Its bytes are those of protocols/cablelink and
   protocols/framing.py, and so are its verdicts on bytes that are no message.

   What has no fixed length (the channels and the model of INFO, the counts of SAMPLES, the text of LOG) is not copied: a
   message points at the bytes as they travel, and cablelink_channel_at, cablelink_count_at and their put counterparts
   read and write them there. What a decoded message points at lives as long as the body it came from.

   Little-endian on the wire whatever the processor is. Nothing here reads a clock or keeps a state between calls but a
   cablelink_decoder, which belongs to one direction of one link.

   Licence: Apache-2.0. */

#ifndef CABLELINK_H
#define CABLELINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CABLELINK_MAJOR 1
#define CABLELINK_MINOR 0

#define CABLELINK_HEADER_SIZE 8u
#define CABLELINK_MAX_BODY 504u
#define CABLELINK_CHECK_SIZE 4u /* CRC-32, little-endian, after the body */

/* The most that a body of so many bytes takes on a stream: check, one code for each 254 bytes begun, the final 00. */
#define CABLELINK_FRAME_SIZE(body) ((body) + CABLELINK_CHECK_SIZE + ((body) + CABLELINK_CHECK_SIZE) / 254u + 2u)
#define CABLELINK_MAX_FRAME (CABLELINK_FRAME_SIZE(CABLELINK_MAX_BODY) - 1u) /* without the final 00 */

#define CABLELINK_INFO_SIZE 28u    /* of INFO after the header, before its channels */
#define CABLELINK_CHANNEL_SIZE 12u /* of each channel of INFO */
#define CABLELINK_SAMPLES_HEAD 16u /* of a SAMPLES body, header included, before its counts */

enum {
    CABLELINK_INFO = 0x01,
    CABLELINK_SAMPLES = 0x02,
    CABLELINK_EVENT = 0x03,
    CABLELINK_ACK = 0x04,
    CABLELINK_PONG = 0x05,
    CABLELINK_STATUS = 0x06,
    CABLELINK_LOG = 0x07,
    CABLELINK_GET_INFO = 0x81,
    CABLELINK_START = 0x82,
    CABLELINK_STOP = 0x83,
    CABLELINK_TARE = 0x84,
    CABLELINK_PING = 0x85,
    CABLELINK_SET_PARAM = 0x86,
    CABLELINK_GET_PARAM = 0x87,
    CABLELINK_IDENTIFY = 0x88,
    CABLELINK_REBOOT = 0x8F
};

enum { CABLELINK_FORCE = 1, CABLELINK_POSITION = 2 };                    /* cablelink_channel.kind */
enum { CABLELINK_UNSET = 0, CABLELINK_LEFT = 1, CABLELINK_RIGHT = 2 };   /* cablelink_channel.side */
enum { CABLELINK_NEWTON = 1, CABLELINK_METRE = 2 };                      /* cablelink_channel.unit */
enum { CABLELINK_BUTTON = 1, CABLELINK_LIMIT_REACHED = 2 };              /* cablelink_event.code */

enum { /* cablelink_ack.result */
    CABLELINK_DONE = 0,
    CABLELINK_UNKNOWN_COMMAND = 1,
    CABLELINK_BAD_ARGUMENT = 2,
    CABLELINK_BUSY = 3,
    CABLELINK_NOT_SUPPORTED = 4
};

enum { /* bits of cablelink_samples.status */
    CABLELINK_FORCE_LEFT_SATURATED = 1 << 0,
    CABLELINK_FORCE_RIGHT_SATURATED = 1 << 1,
    CABLELINK_ENCODER_LEFT_FAULT = 1 << 2,
    CABLELINK_ENCODER_RIGHT_FAULT = 1 << 3,
    CABLELINK_TARE_ACTIVE = 1 << 4,
    CABLELINK_OVERRUN = 1 << 5,
    CABLELINK_LOW_BATTERY = 1 << 6
};

typedef struct {
    const uint8_t *data;
    size_t length;
} cablelink_bytes;

typedef struct {
    uint8_t kind, side, unit;
    float scale, offset; /* nominally (counts - offset) * scale, in the unit */
} cablelink_channel;

typedef struct {
    uint8_t major, minor;
    uint16_t max_body;
    uint32_t firmware; /* 0x00010203 is 1.2.3 */
    uint8_t uid[12];
    uint32_t boot_id;
    uint16_t rate_hz;
    uint8_t batch;
    uint8_t channels;
    const uint8_t *channel; /* CABLELINK_CHANNEL_SIZE bytes each */
    cablelink_bytes model;  /* UTF-8, without the final 00 */
} cablelink_info;

typedef struct {
    uint32_t dt_us; /* from sample to sample; 0 for a single one */
    uint16_t status;
    uint8_t rows, channels;
    const uint8_t *counts; /* 4 bytes each, row after row */
} cablelink_samples;

typedef struct {
    uint8_t code, side;
    uint16_t detail;
} cablelink_event;

typedef struct {
    uint16_t of_sequence;
    uint8_t command, result;
    uint32_t value;
} cablelink_ack;

typedef struct {
    uint16_t battery_mv;
    int8_t rssi; /* dBm */
    uint8_t flags;
    int16_t temperature_c_x10;
    uint32_t samples_lost; /* since boot */
} cablelink_status;

typedef struct {
    uint8_t level;
    cablelink_bytes text;
} cablelink_log;

typedef struct {
    uint16_t rate_hz;
    uint8_t batch, channel_mask;
} cablelink_start;

typedef struct {
    uint8_t mask;
    uint16_t samples;
} cablelink_tare;

typedef struct {
    uint8_t id;
    uint32_t value; /* SET_PARAM only */
} cablelink_param;

/* A message; `type` says which member of `as` holds. GET_INFO, STOP and REBOOT have none. */
typedef struct {
    uint8_t type, source;
    uint16_t sequence;
    uint32_t t_us;
    union {
        cablelink_info info;
        cablelink_samples samples;
        cablelink_event event;
        cablelink_ack ack;
        uint64_t host_ns; /* PING, PONG */
        cablelink_status status;
        cablelink_log log;
        cablelink_start start;
        cablelink_tare tare;
        cablelink_param param; /* SET_PARAM, GET_PARAM */
        uint8_t seconds;       /* IDENTIFY */
        cablelink_bytes payload; /* any type that is not known */
    } as;
} cablelink_message;

typedef enum {
    CABLELINK_IS_KNOWN,
    CABLELINK_IS_UNKNOWN,  /* a type of a later version, to be counted and skipped */
    CABLELINK_IS_MALFORMED /* too short, or at odds with itself; `type` to `t_us` hold if the header was there */
} cablelink_verdict;

/* -- numbers as they travel */

static inline uint16_t cablelink_u16_at(const uint8_t *from)
{
    return (uint16_t)(from[0] | (uint16_t)from[1] << 8);
}

static inline uint32_t cablelink_u32_at(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline uint64_t cablelink_u64_at(const uint8_t *from)
{
    return (uint64_t)cablelink_u32_at(from) | (uint64_t)cablelink_u32_at(from + 4) << 32;
}

/* Casting a large unsigned number to a signed one is left to the implementation; this is not. */
static inline int32_t cablelink_signed(uint32_t bits, uint32_t sign)
{
    return bits & sign ? -(int32_t)(sign - 1u - (bits & (sign - 1u))) - 1 : (int32_t)(bits & (sign - 1u));
}

static inline int32_t cablelink_i32_at(const uint8_t *from)
{
    return cablelink_signed(cablelink_u32_at(from), 0x80000000u);
}

static inline void cablelink_put_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value & 0xFFu);
    to[1] = (uint8_t)(value >> 8);
}

static inline void cablelink_put_u32(uint8_t *to, uint32_t value)
{
    cablelink_put_u16(to, (uint16_t)(value & 0xFFFFu));
    cablelink_put_u16(to + 2, (uint16_t)(value >> 16));
}

static inline void cablelink_put_i32(uint8_t *to, int32_t value)
{
    cablelink_put_u32(to, (uint32_t)value);
}

typedef char cablelink_float_has_32_bits[sizeof(float) == 4 ? 1 : -1];

static inline float cablelink_f32_at(const uint8_t *from)
{
    union {
        uint32_t bits;
        float value;
    } same;
    same.bits = cablelink_u32_at(from);
    return same.value;
}

static inline void cablelink_put_f32(uint8_t *to, float value)
{
    union {
        uint32_t bits;
        float value;
    } same;
    same.value = value;
    cablelink_put_u32(to, same.bits);
}

static inline void cablelink_put_bytes(uint8_t *to, const uint8_t *from, size_t length)
{
    size_t k;
    if (to == from) {
        return; /* counts that were written where they are sent from */
    }
    for (k = 0; k < length; k++) {
        to[k] = from[k];
    }
}

/* -- what has no fixed length */

/* Channel k of a decoded INFO. Only for k < info->channels. */
static inline cablelink_channel cablelink_channel_at(const cablelink_info *info, uint8_t k)
{
    const uint8_t *from = info->channel + CABLELINK_CHANNEL_SIZE * k;
    cablelink_channel channel;
    channel.kind = from[0];
    channel.side = from[1];
    channel.unit = from[2];
    channel.scale = cablelink_f32_at(from + 4);
    channel.offset = cablelink_f32_at(from + 8);
    return channel;
}

/* Write a channel's CABLELINK_CHANNEL_SIZE bytes, for cablelink_info.channel. */
static inline void cablelink_put_channel(uint8_t *to, const cablelink_channel *channel)
{
    to[0] = channel->kind;
    to[1] = channel->side;
    to[2] = channel->unit;
    to[3] = 0;
    cablelink_put_f32(to + 4, channel->scale);
    cablelink_put_f32(to + 8, channel->offset);
}

/* One count of a decoded SAMPLES. Only for row < samples->rows, channel < samples->channels. */
static inline int32_t cablelink_count_at(const cablelink_samples *samples, uint8_t row, uint8_t channel)
{
    return cablelink_i32_at(samples->counts + 4u * ((size_t)row * samples->channels + channel));
}

/* How many samples of so many channels fit a body; 255 at most, since SAMPLES has a byte for it. */
static inline uint8_t cablelink_rows_that_fit(size_t max_body, uint8_t channels)
{
    size_t rows = max_body < CABLELINK_SAMPLES_HEAD || channels == 0
                      ? 0
                      : (max_body - CABLELINK_SAMPLES_HEAD) / (4u * channels);
    return (uint8_t)(rows < 255u ? rows : 255u);
}

/* -- bodies */

/* Whether text is UTF-8: no overlong form, no surrogate, nothing beyond 10FFFF. */
static inline bool cablelink_is_utf8(const uint8_t *text, size_t length)
{
    size_t k = 0;
    while (k < length) {
        uint8_t lead = text[k++];
        uint8_t low = 0x80, high = 0xBF; /* bounds of the byte after the lead */
        size_t more;
        if (lead < 0x80) {
            continue;
        }
        if (lead >= 0xC2 && lead <= 0xDF) {
            more = 1;
        } else if (lead >= 0xE0 && lead <= 0xEF) {
            more = 2;
            low = lead == 0xE0 ? 0xA0 : low;
            high = lead == 0xED ? 0x9F : high;
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            more = 3;
            low = lead == 0xF0 ? 0x90 : low;
            high = lead == 0xF4 ? 0x8F : high;
        } else {
            return false;
        }
        if (length - k < more || text[k] < low || text[k] > high) {
            return false;
        }
        for (k++; more > 1; more--, k++) {
            if (text[k] < 0x80 || text[k] > 0xBF) {
                return false;
            }
        }
    }
    return true;
}

static inline cablelink_verdict cablelink_decode_info(const uint8_t *from, size_t length, cablelink_info *info)
{
    size_t channels, end;
    if (length < CABLELINK_INFO_SIZE) {
        return CABLELINK_IS_MALFORMED;
    }
    info->major = from[0];
    info->minor = from[1];
    info->max_body = cablelink_u16_at(from + 2);
    info->firmware = cablelink_u32_at(from + 4);
    cablelink_put_bytes(info->uid, from + 8, sizeof info->uid);
    info->boot_id = cablelink_u32_at(from + 20);
    info->rate_hz = cablelink_u16_at(from + 24);
    info->batch = from[26];
    info->channels = from[27];
    channels = CABLELINK_CHANNEL_SIZE * info->channels;
    if (length - CABLELINK_INFO_SIZE < channels) {
        return CABLELINK_IS_MALFORMED;
    }
    info->channel = from + CABLELINK_INFO_SIZE;
    info->model.data = info->channel + channels;
    for (end = CABLELINK_INFO_SIZE + channels; end < length && from[end] != 0; end++) {
    }
    info->model.length = end - CABLELINK_INFO_SIZE - channels;
    if (end == length || !cablelink_is_utf8(info->model.data, info->model.length)) {
        return CABLELINK_IS_MALFORMED;
    }
    return CABLELINK_IS_KNOWN;
}

static inline cablelink_verdict cablelink_decode_samples(const uint8_t *from, size_t length, cablelink_samples *samples)
{
    if (length < 8) {
        return CABLELINK_IS_MALFORMED;
    }
    samples->dt_us = cablelink_u32_at(from);
    samples->status = cablelink_u16_at(from + 4);
    samples->rows = from[6];
    samples->channels = from[7];
    samples->counts = from + 8;
    if (samples->rows == 0 || samples->channels == 0 || (length - 8) / 4 < (size_t)samples->rows * samples->channels) {
        return CABLELINK_IS_MALFORMED;
    }
    return CABLELINK_IS_KNOWN;
}

/* Bytes that a message of a type of fixed length has after its header; LOG, SAMPLES and INFO have more. */
static inline size_t cablelink_fixed_size(uint8_t type)
{
    switch (type) {
    case CABLELINK_INFO:
        return CABLELINK_INFO_SIZE;
    case CABLELINK_STATUS:
        return 12;
    case CABLELINK_SAMPLES:
    case CABLELINK_ACK:
    case CABLELINK_PONG:
    case CABLELINK_PING:
        return 8;
    case CABLELINK_SET_PARAM:
        return 5;
    case CABLELINK_EVENT:
    case CABLELINK_START:
    case CABLELINK_TARE:
        return 4;
    case CABLELINK_LOG:
    case CABLELINK_GET_PARAM:
    case CABLELINK_IDENTIFY:
        return 1;
    default:
        return 0;
    }
}

/* The message in a body. Bytes beyond its known end belong to a later minor version and are ignored. */
static inline cablelink_verdict cablelink_decode(const uint8_t *body, size_t length, cablelink_message *message)
{
    const uint8_t *from;
    size_t left;
    if (length < CABLELINK_HEADER_SIZE) {
        return CABLELINK_IS_MALFORMED;
    }
    from = body + CABLELINK_HEADER_SIZE;
    left = length - CABLELINK_HEADER_SIZE;
    message->type = body[0];
    message->source = body[1];
    message->sequence = cablelink_u16_at(body + 2);
    message->t_us = cablelink_u32_at(body + 4);
    if (left < cablelink_fixed_size(message->type)) {
        return CABLELINK_IS_MALFORMED;
    }
    switch (message->type) {
    case CABLELINK_INFO:
        return cablelink_decode_info(from, left, &message->as.info);
    case CABLELINK_SAMPLES:
        return cablelink_decode_samples(from, left, &message->as.samples);
    case CABLELINK_EVENT:
        message->as.event.code = from[0];
        message->as.event.side = from[1];
        message->as.event.detail = cablelink_u16_at(from + 2);
        return CABLELINK_IS_KNOWN;
    case CABLELINK_ACK:
        message->as.ack.of_sequence = cablelink_u16_at(from);
        message->as.ack.command = from[2];
        message->as.ack.result = from[3];
        message->as.ack.value = cablelink_u32_at(from + 4);
        return CABLELINK_IS_KNOWN;
    case CABLELINK_PONG:
    case CABLELINK_PING:
        message->as.host_ns = cablelink_u64_at(from);
        return CABLELINK_IS_KNOWN;
    case CABLELINK_STATUS:
        message->as.status.battery_mv = cablelink_u16_at(from);
        message->as.status.rssi = (int8_t)cablelink_signed(from[2], 0x80u);
        message->as.status.flags = from[3];
        message->as.status.temperature_c_x10 = (int16_t)cablelink_signed(cablelink_u16_at(from + 4), 0x8000u);
        message->as.status.samples_lost = cablelink_u32_at(from + 8);
        return CABLELINK_IS_KNOWN;
    case CABLELINK_LOG:
        message->as.log.level = from[0];
        message->as.log.text.data = from + 1;
        message->as.log.text.length = left - 1;
        return CABLELINK_IS_KNOWN;
    case CABLELINK_START:
        message->as.start.rate_hz = cablelink_u16_at(from);
        message->as.start.batch = from[2];
        message->as.start.channel_mask = from[3];
        return CABLELINK_IS_KNOWN;
    case CABLELINK_TARE:
        message->as.tare.mask = from[0];
        message->as.tare.samples = cablelink_u16_at(from + 2);
        return CABLELINK_IS_KNOWN;
    case CABLELINK_SET_PARAM:
    case CABLELINK_GET_PARAM:
        message->as.param.id = from[0];
        message->as.param.value = message->type == CABLELINK_SET_PARAM ? cablelink_u32_at(from + 1) : 0;
        return CABLELINK_IS_KNOWN;
    case CABLELINK_IDENTIFY:
        message->as.seconds = from[0];
        return CABLELINK_IS_KNOWN;
    case CABLELINK_GET_INFO:
    case CABLELINK_STOP:
    case CABLELINK_REBOOT:
        return CABLELINK_IS_KNOWN;
    default:
        message->as.payload.data = from;
        message->as.payload.length = left;
        return CABLELINK_IS_UNKNOWN;
    }
}

/* A body in the making. What no longer fits is not written, and `fits` stays false. */
typedef struct {
    uint8_t *at;
    size_t left;
    bool fits;
} cablelink_writer;

/* Where the next `size` bytes go; NULL where they do not fit. */
static inline uint8_t *cablelink_room(cablelink_writer *writer, size_t size)
{
    uint8_t *to = writer->at;
    if (size > writer->left) {
        writer->left = 0;
        writer->fits = false;
        return NULL;
    }
    writer->at += size;
    writer->left -= size;
    return to;
}

static inline void cablelink_write_u8(cablelink_writer *writer, uint8_t value)
{
    uint8_t *to = cablelink_room(writer, 1);
    if (to != NULL) {
        to[0] = value;
    }
}

static inline void cablelink_write_u16(cablelink_writer *writer, uint16_t value)
{
    uint8_t *to = cablelink_room(writer, 2);
    if (to != NULL) {
        cablelink_put_u16(to, value);
    }
}

static inline void cablelink_write_u32(cablelink_writer *writer, uint32_t value)
{
    uint8_t *to = cablelink_room(writer, 4);
    if (to != NULL) {
        cablelink_put_u32(to, value);
    }
}

static inline void cablelink_write_bytes(cablelink_writer *writer, const uint8_t *from, size_t length)
{
    uint8_t *to = cablelink_room(writer, length);
    if (to != NULL) {
        cablelink_put_bytes(to, from, length);
    }
}

static inline void cablelink_write_info(cablelink_writer *writer, const cablelink_info *info)
{
    const uint8_t *channel = info->channel;
    uint8_t left;
    size_t k;
    cablelink_write_u8(writer, info->major);
    cablelink_write_u8(writer, info->minor);
    cablelink_write_u16(writer, info->max_body);
    cablelink_write_u32(writer, info->firmware);
    cablelink_write_bytes(writer, info->uid, sizeof info->uid);
    cablelink_write_u32(writer, info->boot_id);
    cablelink_write_u16(writer, info->rate_hz);
    cablelink_write_u8(writer, info->batch);
    cablelink_write_u8(writer, info->channels);
    for (left = info->channels; left > 0; left--, channel += CABLELINK_CHANNEL_SIZE) {
        cablelink_write_bytes(writer, channel, 3);
        cablelink_write_u8(writer, 0);
        cablelink_write_bytes(writer, channel + 4, 8);
    }
    for (k = 0; k < info->model.length && writer->fits; k++) {
        cablelink_write_u8(writer, info->model.data[k]);
        writer->fits = writer->fits && info->model.data[k] != 0; /* it would end the model early */
    }
    cablelink_write_u8(writer, 0);
}

static inline void cablelink_write_samples(cablelink_writer *writer, const cablelink_samples *samples)
{
    size_t counts = (size_t)samples->rows * samples->channels;
    cablelink_write_u32(writer, samples->dt_us);
    cablelink_write_u16(writer, samples->status);
    cablelink_write_u8(writer, samples->rows);
    cablelink_write_u8(writer, samples->channels);
    cablelink_write_bytes(writer, samples->counts, 4u * counts);
    writer->fits = writer->fits && counts > 0;
}

static inline void cablelink_write_payload(cablelink_writer *writer, const cablelink_message *message)
{
    switch (message->type) {
    case CABLELINK_INFO:
        cablelink_write_info(writer, &message->as.info);
        break;
    case CABLELINK_SAMPLES:
        cablelink_write_samples(writer, &message->as.samples);
        break;
    case CABLELINK_EVENT:
        cablelink_write_u8(writer, message->as.event.code);
        cablelink_write_u8(writer, message->as.event.side);
        cablelink_write_u16(writer, message->as.event.detail);
        break;
    case CABLELINK_ACK:
        cablelink_write_u16(writer, message->as.ack.of_sequence);
        cablelink_write_u8(writer, message->as.ack.command);
        cablelink_write_u8(writer, message->as.ack.result);
        cablelink_write_u32(writer, message->as.ack.value);
        break;
    case CABLELINK_PONG:
    case CABLELINK_PING:
        cablelink_write_u32(writer, (uint32_t)(message->as.host_ns & 0xFFFFFFFFu));
        cablelink_write_u32(writer, (uint32_t)(message->as.host_ns >> 32));
        break;
    case CABLELINK_STATUS:
        cablelink_write_u16(writer, message->as.status.battery_mv);
        cablelink_write_u8(writer, (uint8_t)message->as.status.rssi);
        cablelink_write_u8(writer, message->as.status.flags);
        cablelink_write_u16(writer, (uint16_t)message->as.status.temperature_c_x10);
        cablelink_write_u16(writer, 0);
        cablelink_write_u32(writer, message->as.status.samples_lost);
        break;
    case CABLELINK_LOG:
        cablelink_write_u8(writer, message->as.log.level);
        cablelink_write_bytes(writer, message->as.log.text.data, message->as.log.text.length);
        break;
    case CABLELINK_START:
        cablelink_write_u16(writer, message->as.start.rate_hz);
        cablelink_write_u8(writer, message->as.start.batch);
        cablelink_write_u8(writer, message->as.start.channel_mask);
        break;
    case CABLELINK_TARE:
        cablelink_write_u8(writer, message->as.tare.mask);
        cablelink_write_u8(writer, 0);
        cablelink_write_u16(writer, message->as.tare.samples);
        break;
    case CABLELINK_SET_PARAM:
        cablelink_write_u8(writer, message->as.param.id);
        cablelink_write_u32(writer, message->as.param.value);
        break;
    case CABLELINK_GET_PARAM:
        cablelink_write_u8(writer, message->as.param.id);
        break;
    case CABLELINK_IDENTIFY:
        cablelink_write_u8(writer, message->as.seconds);
        break;
    case CABLELINK_GET_INFO:
    case CABLELINK_STOP:
    case CABLELINK_REBOOT:
        break;
    default:
        cablelink_write_bytes(writer, message->as.payload.data, message->as.payload.length);
        break;
    }
}

/* Write a message's body, at most `room` bytes and CABLELINK_MAX_BODY; its length, 0 for a message that does not fit
   or is at odds with itself. The counts of SAMPLES may lie at body + CABLELINK_SAMPLES_HEAD already. */
static inline size_t cablelink_encode(const cablelink_message *message, uint8_t *body, size_t room)
{
    cablelink_writer writer;
    writer.at = body;
    writer.left = room < CABLELINK_MAX_BODY ? room : CABLELINK_MAX_BODY;
    writer.fits = true;
    cablelink_write_u8(&writer, message->type);
    cablelink_write_u8(&writer, message->source);
    cablelink_write_u16(&writer, message->sequence);
    cablelink_write_u32(&writer, message->t_us);
    cablelink_write_payload(&writer, message);
    return writer.fits ? (size_t)(writer.at - body) : 0;
}

/* -- frames: COBS(body + CRC-32 of the body) and a final 00 */

/* CRC-32 as in zlib, by the half byte: 64 bytes of table, and four times as fast as by the bit. */
static inline uint32_t cablelink_crc32(const uint8_t *data, size_t length)
{
    static const uint32_t of_half_byte[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    uint32_t crc = 0xFFFFFFFFu;
    size_t k;
    for (k = 0; k < length; k++) {
        crc ^= data[k];
        crc = crc >> 4 ^ of_half_byte[crc & 15u];
        crc = crc >> 4 ^ of_half_byte[crc & 15u];
    }
    return crc ^ 0xFFFFFFFFu;
}

/* Write the frame around a body, its final 00 included; its length. 0 for a body that is empty or too long, or a room
   under CABLELINK_FRAME_SIZE(length). Body and frame must not overlap. */
static inline size_t cablelink_frame(const uint8_t *body, size_t length, uint8_t *frame, size_t room)
{
    uint8_t check[CABLELINK_CHECK_SIZE];
    uint8_t code = 1; /* of the run that is open: its length plus one */
    size_t code_at = 0, at = 1, k;
    if (length == 0 || length > CABLELINK_MAX_BODY || room < CABLELINK_FRAME_SIZE(length)) {
        return 0;
    }
    cablelink_put_u32(check, cablelink_crc32(body, length));
    for (k = 0; k < length + CABLELINK_CHECK_SIZE; k++) {
        uint8_t byte = k < length ? body[k] : check[k - length];
        if (code == 0xFF) { /* a full run has no 00 after it, and a last one nothing */
            frame[code_at] = code;
            code_at = at++;
            code = 1;
        }
        if (byte == 0) {
            frame[code_at] = code;
            code_at = at++;
            code = 1;
        } else {
            frame[at++] = byte;
            code++;
        }
    }
    frame[code_at] = code;
    frame[at++] = 0;
    return at;
}

/* Bytes in, bodies out, however the bytes come. Damage is counted and dropped up to the next 00. */
typedef struct {
    uint8_t *buffer;
    size_t room;
    size_t held; /* bytes of a frame that is not whole yet */
    bool overlong;
    uint32_t frames;
    uint32_t damaged; /* frames whose check or coding was wrong, or that were longer than the room */
    uint32_t junk;    /* bytes in those */
} cablelink_decoder;

/* `buffer` holds one frame without its final 00: CABLELINK_MAX_FRAME bytes take any, a board that only hears commands
   can do with fewer. */
static inline void cablelink_decoder_begin(cablelink_decoder *decoder, uint8_t *buffer, size_t room)
{
    decoder->buffer = buffer;
    decoder->room = room;
    decoder->held = 0;
    decoder->overlong = false;
    decoder->frames = decoder->damaged = decoder->junk = 0;
}

/* Throw half a frame away: the link was lost. */
static inline void cablelink_decoder_reset(cablelink_decoder *decoder)
{
    decoder->held = 0;
    decoder->overlong = false;
}

/* Undo COBS where it lies; the length of what comes out, 0 also for what is no COBS. */
static inline size_t cablelink_unstuff(uint8_t *data, size_t length)
{
    size_t from = 0, to = 0;
    while (from < length) {
        uint8_t code = data[from++];
        size_t run = code - 1u;
        if (code == 0 || run > length - from) {
            return 0;
        }
        cablelink_put_bytes(data + to, data + from, run); /* forwards: `to` is behind `from` */
        to += run;
        from += run;
        if (code != 0xFF && from < length) {
            data[to++] = 0;
        }
    }
    return to;
}

/* Take one byte. When it completes a frame, the length of its body, which lies in the buffer until the next byte; else
   0. */
static inline size_t cablelink_decoder_take(cablelink_decoder *decoder, uint8_t byte)
{
    size_t held = decoder->held, length;
    if (byte != 0) {
        if (decoder->overlong) {
            decoder->junk++;
        } else if (held == decoder->room) {
            decoder->junk += (uint32_t)held + 1u;
            decoder->held = 0;
            decoder->overlong = true;
        } else {
            decoder->buffer[decoder->held++] = byte;
        }
        return 0;
    }
    if (decoder->overlong) {
        decoder->damaged++;
        cablelink_decoder_reset(decoder);
        return 0;
    }
    decoder->held = 0;
    if (held == 0) {
        return 0; /* two 00 in a row: how a sender makes sure of a clean start */
    }
    length = cablelink_unstuff(decoder->buffer, held);
    if (length > CABLELINK_CHECK_SIZE && length - CABLELINK_CHECK_SIZE <= CABLELINK_MAX_BODY) {
        length -= CABLELINK_CHECK_SIZE;
        if (cablelink_u32_at(decoder->buffer + length) == cablelink_crc32(decoder->buffer, length)) {
            decoder->frames++;
            return length;
        }
    }
    decoder->damaged++;
    decoder->junk += (uint32_t)held + 1u;
    return 0;
}

#endif
