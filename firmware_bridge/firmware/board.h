/* What a port of the firmware has to supply: everything that touches a pin, a timer or a serial port.

   Nothing here may wait. What is called from where: board_read from wherever the port calls cable_board_sample (a timer's
   or an amplifier's interrupt, usually), all the others from the main loop. */

#ifndef BOARD_H
#define BOARD_H

#include "cablelink.h"

typedef struct {
    uint8_t uid[12];
    uint32_t firmware; /* 0x00010203 is 1.2.3 */
    const char *model; /* UTF-8 */
    uint16_t rate_hz;  /* that suits the parts; a host that asks for nothing else gets it */
    uint8_t channels;  /* at most CABLE_BOARD_CHANNELS */
    const cablelink_channel *channel;
} board_description;

/* What the board is. The same each time. */
const board_description *board_describe(void);

/* A number that is another one after each start: from a random source, or a counter in lasting memory. */
uint32_t board_boot_id(void);

/* Microseconds of a clock that never stops, never jumps and wraps at 2^32. */
uint32_t board_time_us(void);

/* From now on call cable_board_sample at this rate; 0: never again. False for a rate that the parts cannot keep: then
   nothing is sampled. After it has returned, no call is under way. */
bool board_sampling(uint16_t rate_hz);

/* The counts of all channels at this instant, and the bits of SAMPLES.status that are the parts' own (saturated,
   encoder fault, low battery). */
uint16_t board_read(int32_t *counts);

/* Hand bytes to the serial port; how many it took. */
size_t board_send(const uint8_t *data, size_t length);

/* Bytes that have come; how many, at most `room`. */
size_t board_receive(uint8_t *to, size_t room);

/* Battery, signal, flags and temperature for STATUS; what is not set is 0. samples_lost is not the port's. */
void board_health(cablelink_status *status);

/* Show yourself (blink) for some seconds; 0: stop it. */
void board_identify(uint8_t seconds);

/* Let the serial port send what it has taken, and start again from the beginning. */
void board_reboot(void);

/* Keep the compiler from moving memory accesses over this line. A port on a processor with several cores, or on a
   compiler that is not GNU's or like it, defines its own. */
#ifndef BOARD_BARRIER
#define BOARD_BARRIER() __asm__ volatile("" ::: "memory")
#endif

#endif
