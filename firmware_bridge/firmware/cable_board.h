/* The portable part of a board that speaks cablelink: samples in batches, tare, commands, answers.

   A port (see board.h) owns one cable_board and calls three functions: cable_board_boot once, cable_board_sample at each
   instant of sampling, from an interrupt if it likes, and cable_board_step from its main loop as often as it can.

   Between the two runs a ring of blocks, each a SAMPLES body in the making. The sampling side alone moves `filling`, the
   main loop alone moves `sending`; so neither ever waits for the other, and what the line cannot carry is lost by whole
   blocks, counted, and said in STATUS and by the overrun bit. */

#ifndef CABLE_BOARD_H
#define CABLE_BOARD_H

#include "board.h"

#ifndef CABLE_BOARD_BODY
#define CABLE_BOARD_BODY CABLELINK_MAX_BODY /* bytes of the longest body that the board sends; INFO says so */
#endif
#ifndef CABLE_BOARD_BLOCKS
#define CABLE_BOARD_BLOCKS 4 /* one fills, the others wait for the line; at most 255 */
#endif
#ifndef CABLE_BOARD_HEARD
#define CABLE_BOARD_HEARD 64 /* bytes of the longest frame from the host; the longest command known takes 22 */
#endif

#define CABLE_BOARD_LONGEST_MODEL 63 /* bytes; more are cut off */

#if CABLE_BOARD_BODY < 196 || CABLE_BOARD_BODY > 504
#error "CABLE_BOARD_BODY: INFO may need 196 bytes, and 504 are the most"
#endif
#if CABLE_BOARD_BLOCKS < 2 || CABLE_BOARD_BLOCKS > 255
#error "CABLE_BOARD_BLOCKS: 2 to 255"
#endif

#define CABLE_BOARD_CHANNELS 8   /* START's mask has a bit for each */
#define CABLE_BOARD_REMEMBERED 8 /* commands whose repeat is known as one */
#define CABLE_BOARD_PARAMETERS 16

typedef struct {
    uint32_t first_us, last_us;
    uint16_t status;
    uint8_t rows;
    uint8_t body[CABLE_BOARD_BODY];
} cable_board_block;

typedef struct {
    uint32_t at_us;
    uint32_t check; /* CRC-32 of type, source and what follows the header */
    uint32_t value;
    uint16_t sequence;
    uint8_t result;
    bool holds;
} cable_board_answered;

typedef struct {
    const board_description *is;
    uint32_t boot_id;
    uint16_t sequence; /* of the next frame */

    /* set by the main loop while nothing is sampled */
    bool streaming;
    uint8_t mask, width, batch;

    cable_board_block blocks[CABLE_BOARD_BLOCKS];
    volatile uint8_t filling; /* moved by the sampling side */
    volatile uint8_t sending; /* moved by the main loop */
    volatile uint32_t lost;   /* samples since boot, counted by the sampling side */
    bool overrun;             /* the next block says that samples are missing before it */

    int32_t zero[CABLE_BOARD_CHANNELS]; /* taken off the counts */
    int64_t tare_sum[CABLE_BOARD_CHANNELS];
    uint16_t tare_samples;
    uint8_t tare_mask;
    volatile uint16_t tare_left; /* samples; set by the main loop last, counted down by the sampling side */

    /* what waits to be said, in this order, before samples */
    bool info_due, pong_due, ack_due, reboot_due;
    uint64_t pong_host_ns;
    cablelink_ack ack;
    uint32_t status_us; /* when the next STATUS is due */

    cable_board_answered answered[CABLE_BOARD_REMEMBERED];
    uint8_t next_answered;
    uint32_t parameters[CABLE_BOARD_PARAMETERS];

    cablelink_decoder decoder;
    uint8_t heard[CABLE_BOARD_HEARD];

    uint8_t frame[CABLELINK_FRAME_SIZE(CABLE_BOARD_BODY)];
    uint16_t frame_length, frame_sent;
} cable_board;

/* Start, or start again: everything is as after power came on. */
void cable_board_boot(cable_board *board);

/* Take the sample of this instant; t_us: when, by board_time_us's clock (an amplifier's delay taken off). Only while
   board_sampling asks for it. */
void cable_board_sample(cable_board *board, uint32_t t_us);

/* Do what there is to do, a frame and a command at most; false when there was nothing, and the port may sleep until the
   next interrupt, at most a few milliseconds. */
bool cable_board_step(cable_board *board);

#endif
