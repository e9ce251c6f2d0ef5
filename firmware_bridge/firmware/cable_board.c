#include "cable_board.h"

#define STATUS_EVERY_US 1000000u
#define REMEMBERED_US 2000000u /* for which a command's sequence counts as a repeat; three time-outs are 0.6 s */
#define BATCH_PER_S 100u       /* blocks, unless START says otherwise */
#define LISTENED_AT_ONCE 32    /* bytes, before it is the samples' turn again */

static uint8_t all_channels(const cable_board *board)
{
    return (uint8_t)((1u << board->is->channels) - 1u);
}

static bool names(uint8_t mask, uint8_t channel)
{
    return (mask >> channel & 1) != 0;
}

static uint8_t next_block(uint8_t block)
{
    return (uint8_t)((block + 1u) % CABLE_BOARD_BLOCKS);
}

static int32_t limited(int64_t value)
{
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

/* To the nearest; a half goes up. */
static int32_t mean(int64_t sum, uint16_t samples)
{
    int64_t doubled = 2 * sum + samples, whole = doubled / (2 * (int64_t)samples);
    return limited(doubled % (2 * (int64_t)samples) < 0 ? whole - 1 : whole);
}

static int32_t rounded(float value)
{
    if (!(value > -2147483648.0f && value < 2147483648.0f)) {
        return 0; /* no offset of a part */
    }
    return (int32_t)(value < 0 ? value - 0.5f : value + 0.5f);
}

/* -- the sampling side */

static void begin_block(cable_board *board)
{
    cable_board_block *block = &board->blocks[board->filling];
    block->rows = 0;
    block->status = board->overrun ? CABLELINK_OVERRUN : 0;
    board->overrun = false;
}

static void finish_block(cable_board *board)
{
    uint8_t next = next_block(board->filling);
    if (next == board->sending) { /* the line is behind; a whole block goes, so that what is sent has an even step */
        board->lost = board->lost + board->blocks[board->filling].rows;
        board->overrun = true;
    } else {
        BOARD_BARRIER(); /* the block is written before the main loop sees it */
        board->filling = next;
    }
    begin_block(board);
}

/* Take a sample for the tare that is running; true while the tare is not done with it. */
static bool still_taring(cable_board *board, const int32_t *counts)
{
    uint8_t k;
    if (board->tare_left == 0) {
        return false;
    }
    for (k = 0; k < board->is->channels; k++) {
        board->tare_sum[k] += counts[k];
    }
    if (board->tare_left > 1) {
        board->tare_left = (uint16_t)(board->tare_left - 1);
        return true;
    }
    for (k = 0; k < board->is->channels; k++) {
        if (names(board->tare_mask, k)) {
            int64_t zero = mean(board->tare_sum[k], board->tare_samples);
            board->zero[k] = limited(zero - rounded(board->is->channel[k].offset));
        }
    }
    BOARD_BARRIER();
    board->tare_left = 0;
    return false;
}

void cable_board_sample(cable_board *board, uint32_t t_us)
{
    int32_t counts[CABLE_BOARD_CHANNELS] = {0};
    cable_board_block *block = &board->blocks[board->filling];
    uint8_t *to = block->body + CABLELINK_SAMPLES_HEAD + 4u * (size_t)block->rows * board->width;
    uint8_t k;
    if (!board->streaming) {
        return;
    }
    block->status |= board_read(counts);
    if (still_taring(board, counts)) {
        block->status |= CABLELINK_TARE_ACTIVE;
    }
    for (k = 0; k < board->is->channels; k++) {
        if (names(board->mask, k)) {
            cablelink_put_i32(to, limited((int64_t)counts[k] - board->zero[k]));
            to += 4;
        }
    }
    if (block->rows == 0) {
        block->first_us = t_us;
    }
    block->last_us = t_us;
    block->rows++;
    if (block->rows == board->batch) {
        finish_block(board);
    }
}

/* -- what is said */

static void say(cable_board *board, cablelink_message *message, uint8_t *body, size_t room)
{
    size_t length;
    message->source = 0;
    message->sequence = board->sequence++;
    length = cablelink_encode(message, body, room);
    board->frame_length = (uint16_t)cablelink_frame(body, length, board->frame, sizeof board->frame);
    board->frame_sent = 0;
}

/* Samples in a message: those asked for (0: 10 ms of them), and never more than fit the body. */
static uint8_t batch_of(uint16_t rate_hz, uint8_t asked, uint8_t width)
{
    uint8_t fit = cablelink_rows_that_fit(CABLE_BOARD_BODY, width);
    uint32_t batch = asked > 0 ? asked : ((uint32_t)rate_hz + BATCH_PER_S / 2) / BATCH_PER_S;
    batch = batch < fit ? batch : fit;
    return (uint8_t)(batch > 0 ? batch : 1);
}

static void say_info(cable_board *board)
{
    uint8_t channels[CABLE_BOARD_CHANNELS * CABLELINK_CHANNEL_SIZE];
    uint8_t body[CABLELINK_HEADER_SIZE + CABLELINK_INFO_SIZE + sizeof channels + CABLE_BOARD_LONGEST_MODEL + 1];
    cablelink_message message;
    cablelink_info *info = &message.as.info;
    uint8_t k;
    message.type = CABLELINK_INFO;
    message.t_us = board_time_us();
    info->major = CABLELINK_MAJOR;
    info->minor = CABLELINK_MINOR;
    info->max_body = CABLE_BOARD_BODY;
    info->firmware = board->is->firmware;
    cablelink_put_bytes(info->uid, board->is->uid, sizeof info->uid);
    info->boot_id = board->boot_id;
    info->rate_hz = board->is->rate_hz;
    info->batch = batch_of(board->is->rate_hz, 0, board->is->channels);
    info->channels = board->is->channels;
    for (k = 0; k < board->is->channels; k++) {
        cablelink_put_channel(channels + CABLELINK_CHANNEL_SIZE * k, &board->is->channel[k]);
    }
    info->channel = channels;
    info->model.data = (const uint8_t *)board->is->model;
    info->model.length = 0;
    while (info->model.length < CABLE_BOARD_LONGEST_MODEL && board->is->model[info->model.length] != 0) {
        info->model.length++;
    }
    say(board, &message, body, sizeof body);
}

static void say_short(cable_board *board, cablelink_message *message)
{
    uint8_t body[CABLELINK_HEADER_SIZE + 12];
    message->t_us = board_time_us();
    say(board, message, body, sizeof body);
}

static void say_status(cable_board *board)
{
    static const cablelink_status unknown = {0, 0, 0, 0, 0};
    cablelink_message message;
    message.type = CABLELINK_STATUS;
    message.as.status = unknown;
    board_health(&message.as.status);
    message.as.status.samples_lost = board->lost;
    say_short(board, &message);
}

/* The oldest block, sent from where it was written. */
static void say_samples(cable_board *board)
{
    cable_board_block *block = &board->blocks[board->sending];
    uint32_t steps = block->rows - 1u;
    cablelink_message message;
    BOARD_BARRIER(); /* the block is read after it was seen to be whole */
    message.type = CABLELINK_SAMPLES;
    message.t_us = block->first_us;
    message.as.samples.dt_us = steps > 0 ? (block->last_us - block->first_us + steps / 2) / steps : 0;
    message.as.samples.status = block->status;
    message.as.samples.rows = block->rows;
    message.as.samples.channels = board->width;
    message.as.samples.counts = block->body + CABLELINK_SAMPLES_HEAD;
    say(board, &message, block->body, sizeof block->body);
    BOARD_BARRIER();
    board->sending = next_block(board->sending);
}

static bool answers(const cable_board *board)
{
    return board->info_due || board->pong_due || board->ack_due || board->reboot_due;
}

static void answer(cable_board *board)
{
    cablelink_message message;
    if (board->info_due) {
        board->info_due = false;
        say_info(board);
    } else if (board->pong_due) {
        board->pong_due = false;
        message.type = CABLELINK_PONG;
        message.as.host_ns = board->pong_host_ns;
        say_short(board, &message);
    } else if (board->ack_due) {
        board->ack_due = false;
        message.type = CABLELINK_ACK;
        message.as.ack = board->ack;
        say_short(board, &message);
    } else {
        board->reboot_due = false;
        board_reboot();
    }
}

static void forget_old_answers(cable_board *board, uint32_t now)
{
    uint8_t k;
    for (k = 0; k < CABLE_BOARD_REMEMBERED; k++) {
        if (now - board->answered[k].at_us >= REMEMBERED_US) {
            board->answered[k].holds = false;
        }
    }
}

static bool say_next(cable_board *board)
{
    uint32_t now = board_time_us();
    if (answers(board)) {
        answer(board);
        return true;
    }
    if (now - board->status_us < 0x80000000u) {
        board->status_us += STATUS_EVERY_US;
        forget_old_answers(board, now); /* each second, or they would be young again when the clock comes round */
        say_status(board);
        return true;
    }
    if (board->sending != board->filling) {
        say_samples(board);
        return true;
    }
    return false;
}

/* Whether the line has taken all of the last frame. */
static bool line_is_free(cable_board *board)
{
    if (board->frame_sent < board->frame_length) {
        size_t left = (size_t)board->frame_length - board->frame_sent;
        size_t taken = board_send(board->frame + board->frame_sent, left);
        board->frame_sent = (uint16_t)(board->frame_sent + taken);
    }
    return board->frame_sent == board->frame_length;
}

/* -- what is heard */

static void stop_stream(cable_board *board)
{
    board_sampling(0);
    board->streaming = false;
}

static uint8_t start(cable_board *board, const cablelink_start *said)
{
    uint8_t mask = said->channel_mask & all_channels(board), width = 0, k;
    if (said->rate_hz == 0 || said->batch == 0 || mask == 0) {
        return CABLELINK_BAD_ARGUMENT;
    }
    for (k = 0; k < CABLE_BOARD_CHANNELS; k++) {
        width = (uint8_t)(width + (names(mask, k) ? 1 : 0));
    }
    stop_stream(board);
    while (board->sending != board->filling) { /* blocks of another width, perhaps; what goes unsent is counted */
        board->lost = board->lost + board->blocks[board->sending].rows;
        board->sending = next_block(board->sending);
    }
    board->mask = mask;
    board->width = width;
    board->batch = batch_of(said->rate_hz, said->batch, width);
    begin_block(board);
    board->streaming = true;
    BOARD_BARRIER();
    if (!board_sampling(said->rate_hz)) {
        board->streaming = false;
        return CABLELINK_BAD_ARGUMENT;
    }
    return CABLELINK_DONE;
}

/* Begin a tare; at once, from one sample, while nothing streams. */
static uint8_t tare(cable_board *board, const cablelink_tare *said)
{
    int32_t counts[CABLE_BOARD_CHANNELS] = {0};
    uint8_t mask = said->mask & all_channels(board), k;
    if (said->samples == 0 || mask == 0) {
        return CABLELINK_BAD_ARGUMENT;
    }
    if (board->tare_left > 0) {
        return CABLELINK_BUSY;
    }
    for (k = 0; k < CABLE_BOARD_CHANNELS; k++) {
        board->tare_sum[k] = 0;
    }
    board->tare_mask = mask;
    board->tare_samples = board->streaming ? said->samples : 1;
    BOARD_BARRIER();
    board->tare_left = board->tare_samples;
    if (!board->streaming) {
        board_read(counts);
        still_taring(board, counts);
    }
    return CABLELINK_DONE;
}

static uint8_t carry_out(cable_board *board, const cablelink_message *said, uint32_t *value)
{
    switch (said->type) {
    case CABLELINK_GET_INFO:
        board->info_due = true;
        return CABLELINK_DONE;
    case CABLELINK_PING:
        board->pong_due = true;
        board->pong_host_ns = said->as.host_ns;
        return CABLELINK_DONE;
    case CABLELINK_START:
        return start(board, &said->as.start);
    case CABLELINK_STOP:
        stop_stream(board);
        board->tare_left = 0; /* no sample would ever end it */
        return CABLELINK_DONE;
    case CABLELINK_TARE:
        return tare(board, &said->as.tare);
    case CABLELINK_SET_PARAM:
    case CABLELINK_GET_PARAM:
        if (said->as.param.id >= CABLE_BOARD_PARAMETERS) {
            return CABLELINK_BAD_ARGUMENT;
        }
        if (said->type == CABLELINK_SET_PARAM) {
            board->parameters[said->as.param.id] = said->as.param.value;
        }
        *value = board->parameters[said->as.param.id];
        return CABLELINK_DONE;
    case CABLELINK_IDENTIFY:
        board_identify(said->as.seconds);
        return CABLELINK_DONE;
    case CABLELINK_REBOOT:
        stop_stream(board);
        board->reboot_due = true; /* after its ACK */
        return CABLELINK_DONE;
    default:
        return CABLELINK_UNKNOWN_COMMAND;
    }
}

/* A command of the last two seconds with the same sequence and the same bytes, or a place for this one. */
static cable_board_answered *remembered(cable_board *board, uint16_t sequence, uint32_t check)
{
    uint8_t k;
    cable_board_answered *place;
    for (k = 0; k < CABLE_BOARD_REMEMBERED; k++) {
        place = &board->answered[k];
        if (place->holds && place->sequence == sequence && place->check == check) {
            return place;
        }
    }
    place = &board->answered[board->next_answered];
    board->next_answered = (uint8_t)((board->next_answered + 1u) % CABLE_BOARD_REMEMBERED);
    place->holds = false;
    return place;
}

static void take(cable_board *board, uint8_t *body, size_t length)
{
    cablelink_message said;
    cablelink_verdict verdict = cablelink_decode(body, length, &said);
    cable_board_answered *place;
    uint32_t now = board_time_us(), check;
    if (length < CABLELINK_HEADER_SIZE) {
        return;
    }
    board->ack.of_sequence = said.sequence;
    board->ack.command = said.type;
    board->ack.value = 0;
    board->ack_due = true;
    if (verdict == CABLELINK_IS_MALFORMED || said.source != 0) {
        board->ack.result = CABLELINK_BAD_ARGUMENT;
        return;
    }
    if (said.type == CABLELINK_GET_INFO || said.type == CABLELINK_PING) { /* asked again, they are answered anew */
        board->ack.result = carry_out(board, &said, &board->ack.value);
        return;
    }
    forget_old_answers(board, now);
    /* A repeat is equal in all but its time: type and source move over that, up to the rest, so that one CRC says so. */
    body[6] = body[0];
    body[7] = body[1];
    check = cablelink_crc32(body + 6, length - 6);
    place = remembered(board, said.sequence, check);
    if (!place->holds) {
        place->sequence = said.sequence;
        place->at_us = now;
        place->value = 0;
        place->check = check;
        place->result = carry_out(board, &said, &place->value);
        place->holds = true;
    }
    board->ack.result = place->result;
    board->ack.value = place->value;
}

/* Hear a command at most. */
static bool listen(cable_board *board)
{
    uint8_t byte;
    int k;
    for (k = 0; k < LISTENED_AT_ONCE && !answers(board); k++) {
        size_t length;
        if (board_receive(&byte, 1) == 0) {
            return k > 0;
        }
        length = cablelink_decoder_take(&board->decoder, byte);
        if (length > 0) {
            take(board, board->heard, length);
        }
    }
    return k > 0;
}

/* -- the outside */

bool cable_board_step(cable_board *board)
{
    bool was_busy = false;
    if (line_is_free(board) && say_next(board)) {
        was_busy = true;
        line_is_free(board);
    }
    return listen(board) || was_busy;
}

void cable_board_boot(cable_board *board)
{
    static const cable_board_answered nothing = {0, 0, 0, 0, 0, false};
    uint8_t k;
    board->is = board_describe();
    board->streaming = false;
    board_sampling(0);
    board->boot_id = board_boot_id();
    board->sequence = 0;
    board->mask = board->width = 0;
    board->batch = 1;
    board->filling = board->sending = 0;
    board->lost = 0;
    board->overrun = false;
    begin_block(board);
    for (k = 0; k < CABLE_BOARD_CHANNELS; k++) {
        board->zero[k] = 0;
    }
    board->tare_left = 0;
    board->info_due = true; /* a board says what it is when it starts */
    board->pong_due = board->ack_due = board->reboot_due = false;
    board->status_us = board_time_us() + STATUS_EVERY_US;
    for (k = 0; k < CABLE_BOARD_REMEMBERED; k++) {
        board->answered[k] = nothing;
    }
    board->next_answered = 0;
    for (k = 0; k < CABLE_BOARD_PARAMETERS; k++) {
        board->parameters[k] = 0;
    }
    cablelink_decoder_begin(&board->decoder, board->heard, sizeof board->heard);
    board->frame_length = board->frame_sent = 0;
}
