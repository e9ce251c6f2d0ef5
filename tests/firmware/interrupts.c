/* The portable part with its two sides truly apart: a signal samples wherever the main loop happens to be, as an
   interrupt does, over a line that takes a few bytes at a time and at times none. Ends with 0 when every sample came
   once, whole and in order, or was counted as lost; else says what was wrong. */

#define _DEFAULT_SOURCE

#include "cable_board.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define RESTING 5000
#define RUN_US 1000000u
#define COMMAND_EVERY_US 20000u

static cable_board board;
static volatile int32_t taken; /* samples so far, counted by the first channel */
static int32_t seen = -1, missing, rows, blocks, starts, acks, tared;
static uint8_t asked[64];
static size_t asked_length, asked_at;
static uint8_t heard[CABLELINK_MAX_FRAME];
static cablelink_decoder decoder;
static uint16_t last_sequence = 0xFFFF;

static const cablelink_channel channels[3] = {
    {CABLELINK_POSITION, CABLELINK_LEFT, CABLELINK_METRE, 1.0f, 0.0f},
    {CABLELINK_POSITION, CABLELINK_RIGHT, CABLELINK_METRE, 1.0f, 0.0f},
    {CABLELINK_FORCE, CABLELINK_LEFT, CABLELINK_NEWTON, 1.0f, 0.0f},
};
static const board_description description = {{0}, 1, "interrupts", 1000, 3, channels};

static void wrong(const char *what, long found)
{
    printf("%s: %ld\n", what, found);
    exit(1);
}

static uint32_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

const board_description *board_describe(void)
{
    return &description;
}

uint32_t board_boot_id(void)
{
    return 1;
}

uint32_t board_time_us(void)
{
    return now_us();
}

bool board_sampling(uint16_t rate_hz)
{
    struct itimerval every;
    memset(&every, 0, sizeof every);
    if (rate_hz > 0) {
        every.it_interval.tv_usec = every.it_value.tv_usec = 1000000 / rate_hz;
    }
    setitimer(ITIMER_REAL, &every, NULL);
    return true;
}

uint16_t board_read(int32_t *counts)
{
    counts[0] = taken++;
    counts[1] = -3 * counts[0];
    counts[2] = RESTING;
    return 0;
}

static void check_samples(const cablelink_samples *samples)
{
    uint8_t row;
    for (row = 0; row < samples->rows; row++) {
        int32_t count = cablelink_count_at(samples, row, 0), resting = cablelink_count_at(samples, row, 2);
        if (count <= seen || (row > 0 && count != seen + 1)) {
            wrong("a sample out of its order", count);
        }
        if (cablelink_count_at(samples, row, 1) != -3 * count) {
            wrong("a row of two samples", count);
        }
        if (resting != (tared ? 0 : RESTING)) {
            if (tared || resting != 0) {
                wrong("a count that a tare does not give", resting);
            }
            tared = 1;
        }
        missing += count - seen - 1;
        seen = count;
        rows++;
    }
    blocks++;
}

size_t board_send(const uint8_t *data, size_t length)
{
    static uint32_t stuck_from, stuck_for;
    uint32_t now = now_us();
    size_t taking = (size_t)rand() % 64u, k;
    if (now - stuck_from < stuck_for) {
        return 0;
    }
    stuck_from = now;
    stuck_for = rand() % 500 == 0 ? 30000u : 0;
    taking = taking < length ? taking : length;
    for (k = 0; k < taking; k++) {
        cablelink_message said;
        size_t body = cablelink_decoder_take(&decoder, data[k]);
        if (body == 0) {
            continue;
        }
        if (cablelink_decode(heard, body, &said) != CABLELINK_IS_KNOWN) {
            wrong("a message that is none", heard[0]);
        }
        if (said.sequence != (uint16_t)(last_sequence + 1u)) {
            wrong("a sequence with a gap", said.sequence);
        }
        last_sequence = said.sequence;
        if (said.type == CABLELINK_SAMPLES) {
            check_samples(&said.as.samples);
        }
        acks += said.type == CABLELINK_ACK;
    }
    return taking;
}

size_t board_receive(uint8_t *to, size_t room)
{
    if (asked_at == asked_length || room == 0) {
        return 0;
    }
    *to = asked[asked_at++];
    return 1;
}

void board_health(cablelink_status *status)
{
    status->flags = 0;
}

void board_identify(uint8_t seconds)
{
    (void)seconds;
}

void board_reboot(void)
{
}

static void ask(uint8_t type, uint16_t sequence)
{
    uint8_t body[32];
    cablelink_message message;
    memset(&message, 0, sizeof message);
    message.type = type;
    message.sequence = sequence;
    if (type == CABLELINK_START) {
        message.as.start.rate_hz = 20000;
        message.as.start.batch = 7;
        message.as.start.channel_mask = 7;
        starts++;
    }
    if (type == CABLELINK_TARE) {
        message.as.tare.mask = 4;
        message.as.tare.samples = 50;
    }
    asked_length = cablelink_frame(body, cablelink_encode(&message, body, sizeof body), asked, sizeof asked);
    asked_at = 0;
}

static void sample(int number)
{
    (void)number;
    cable_board_sample(&board, now_us());
}

int main(void)
{
    static const uint8_t commands[] = {CABLELINK_PING, CABLELINK_TARE, CABLELINK_GET_INFO, CABLELINK_START};
    uint32_t begun = now_us(), asked_us = begun;
    uint16_t sequence = 1;
    srand(1);
    cablelink_decoder_begin(&decoder, heard, sizeof heard);
    signal(SIGALRM, sample);
    cable_board_boot(&board);
    ask(CABLELINK_START, sequence++);
    while (now_us() - begun < RUN_US || asked_at < asked_length) {
        cable_board_step(&board);
        if (now_us() - asked_us >= COMMAND_EVERY_US && asked_at == asked_length) {
            asked_us = now_us();
            ask(commands[sequence % 4u], sequence);
            sequence++;
        }
    }
    ask(CABLELINK_STOP, sequence);
    while (asked_at < asked_length || cable_board_step(&board) || board.frame_sent < board.frame_length) {
        cable_board_step(&board); /* until all is heard and said */
    }
    missing += taken - seen - 1; /* behind the last block that was sent */
    printf("%d samples in %d blocks, %d missing of which %d are counted, %d starts, %d of %d commands answered\n", rows,
           blocks, missing, (int)board.lost, starts, acks, sequence);
    if (board.lost == 0 || blocks < 100 || starts < 3 || !tared) {
        wrong("too little happened to show anything; tared", tared);
    }
    if (acks != sequence) {
        wrong("commands without an answer", sequence - acks);
    }
    /* START and STOP end a block before its time; what stood in it is not told. */
    if (missing < (int32_t)board.lost || missing > (int32_t)board.lost + 6 * (starts + 1)) {
        wrong("samples missing that were not counted", missing - (int32_t)board.lost);
    }
    if (decoder.damaged != 0) {
        wrong("damaged frames", (long)decoder.damaged);
    }
    return 0;
}
