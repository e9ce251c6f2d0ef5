/* The board layer of a host: the firmware as a process, its serial port a pseudo-terminal, its sensors made up.

   Its clock runs as fast and as wrong as it is told, starts three seconds before its wrap, and takes the samples: each has
   the time at which it was due, as a timer's interrupt would have it, whenever the process comes to run. The far end of the
   terminal holds the bytes that nobody reads; when it is full the line takes no more, as USB does, and the board loses
   samples and says so.

   cc -std=c99 -O2 -I protocols/cablelink/c firmware_bridge/firmware/cable_board.c firmware_bridge/firmware/board_host.c
      -lm -o cable-board */

#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 600

#include "cable_board.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define BEFORE_WRAP_US 3000000u /* that the clock starts before its wrap */
#define DARK_US 300000.0        /* that a restart takes */
#define FASTEST_HZ 10000
#define WAIT_MS 1               /* between two looks at what is due, while sampling */
#define IDLE_MS 10

typedef enum { LIFT, RAMP, REST } signal_shape;

static struct {
    double rate; /* board seconds in a true second */
    double on_s; /* host time at which the power came on */
    double boot_us, sampled_from_us;
    uint64_t sampled; /* since START */
    uint16_t rate_hz; /* 0: nothing is sampled */
    uint32_t boots, seed;
    bool reboots;
    signal_shape shape;
    int master, slave;
    uint8_t heard[512];
    size_t heard_count, heard_at;
    bool line_full;
} host;

static cable_board board;
static volatile sig_atomic_t told_to_end;

static const cablelink_channel channels[4] = {
    {CABLELINK_FORCE, CABLELINK_LEFT, CABLELINK_NEWTON, 0.02f, 84213.0f},
    {CABLELINK_POSITION, CABLELINK_LEFT, CABLELINK_METRE, 0.0002f, 0.0f},
    {CABLELINK_FORCE, CABLELINK_RIGHT, CABLELINK_NEWTON, 0.02f, 84213.0f},
    {CABLELINK_POSITION, CABLELINK_RIGHT, CABLELINK_METRE, 0.0002f, 0.0f},
};

static board_description description = {
    {'r', 'e', 'f', 'e', 'r', 'e', 'n', 'c', 'e', 0, 0, 0}, 0x00010000, "reference cable board", 1000, 4, channels,
};

/* -- time: microseconds of the board's oscillator since the power came on */

static double oscillator_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec - host.on_s) * 1e6 * host.rate;
}

static uint32_t ticks(double us)
{
    return (uint32_t)((uint64_t)(us - host.boot_us + 0.5) - BEFORE_WRAP_US);
}

static double due_us(void)
{
    return host.sampled_from_us + (double)host.sampled * 1e6 / host.rate_hz;
}

/* -- what board.h asks for */

const board_description *board_describe(void)
{
    return &description;
}

uint32_t board_boot_id(void)
{
    return (host.seed + host.boots) * 2654435761u; /* another one at each boot, by Knuth's multiplicative hash */
}

uint32_t board_time_us(void)
{
    return ticks(oscillator_us());
}

bool board_sampling(uint16_t rate_hz)
{
    host.rate_hz = rate_hz <= FASTEST_HZ ? rate_hz : 0;
    host.sampled = 0;
    host.sampled_from_us = oscillator_us();
    return rate_hz <= FASTEST_HZ;
}

/* Noise of a load cell, within 0.5 N: without any, a station takes a level that is held for one that is railed. */
static double noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u; /* Numerical Recipes' quick generator; its high bits are good enough */
    return (double)(state >> 8) / 16777216.0 - 0.5;
}

/* A rep of three seconds, the cable out in the first and back in the second, in newtons and metres. */
static void lift(double t, double *force, double *position)
{
    double phase = fmod(t, 3.0);
    *position = phase < 2.0 ? 0.3 - 0.3 * cos(3.14159265358979 * phase) : 0.0;
    *force = (phase < 2.0 ? 200.0 : 10.0) + noise();
}

uint16_t board_read(int32_t *counts)
{
    double force = 10.0, position = 0.25; /* of a board at rest */
    uint8_t k;
    if (host.shape == RAMP) {
        for (k = 0; k < description.channels; k++) {
            counts[k] = (int32_t)((host.sampled * (k + 1u)) & 0x3FFFFFFFu);
        }
        return 0;
    }
    if (host.shape == LIFT) {
        lift(host.rate_hz > 0 ? due_us() * 1e-6 : 0.0, &force, &position);
    }
    for (k = 0; k < description.channels; k++) {
        double value = channels[k].kind == CABLELINK_FORCE ? force : position;
        counts[k] = (int32_t)floor(value / (double)channels[k].scale + (double)channels[k].offset + 0.5);
    }
    return 0;
}

size_t board_send(const uint8_t *data, size_t length)
{
    ssize_t sent = write(host.master, data, length);
    host.line_full = sent < (ssize_t)length;
    return sent > 0 ? (size_t)sent : 0;
}

size_t board_receive(uint8_t *to, size_t room)
{
    size_t count;
    if (host.heard_at == host.heard_count) {
        ssize_t got = read(host.master, host.heard, sizeof host.heard);
        host.heard_at = 0;
        host.heard_count = got > 0 ? (size_t)got : 0;
    }
    count = host.heard_count - host.heard_at;
    count = count < room ? count : room;
    memcpy(to, host.heard + host.heard_at, count);
    host.heard_at += count;
    return count;
}

void board_health(cablelink_status *status)
{
    status->battery_mv = 3700;
    status->rssi = -55;
    status->temperature_c_x10 = 265;
}

void board_identify(uint8_t seconds)
{
    fprintf(stderr, "identify %u\n", (unsigned)seconds);
}

void board_reboot(void)
{
    host.reboots = true;
}

/* -- the process */

static void end(int number)
{
    (void)number;
    told_to_end = 1;
}

static int failed(const char *what)
{
    fprintf(stderr, "cable-board: %s: %s\n", what, strerror(errno));
    return 1;
}

/* A pseudo-terminal in raw mode. Our own hold on the far end keeps it alive while no program has it open. */
static int open_terminal(void)
{
    struct termios raw;
    const char *device;
    host.master = posix_openpt(O_RDWR | O_NOCTTY);
    if (host.master < 0 || grantpt(host.master) != 0 || unlockpt(host.master) != 0) {
        return failed("no pseudo-terminal");
    }
    device = ptsname(host.master);
    host.slave = device != NULL ? open(device, O_RDWR | O_NOCTTY) : -1;
    if (host.slave < 0 || tcgetattr(host.slave, &raw) != 0) {
        return failed("no pseudo-terminal");
    }
    cfmakeraw(&raw);
    if (tcsetattr(host.slave, TCSANOW, &raw) != 0 || fcntl(host.master, F_SETFL, O_NONBLOCK) != 0) {
        return failed("no pseudo-terminal");
    }
    return 0;
}

/* Let a symlink point at the device. Never replaces anything but a link. */
static int point(const char *link, const char *device)
{
    struct stat found;
    if (lstat(link, &found) == 0 && S_ISLNK(found.st_mode)) {
        unlink(link);
    }
    return symlink(device, link) == 0 ? 0 : failed(link);
}

static void unpoint(const char *link, const char *device)
{
    char found[256];
    ssize_t length = readlink(link, found, sizeof found - 1);
    if (length > 0) {
        found[length] = 0;
        if (strcmp(found, device) == 0) {
            unlink(link);
        }
    }
}

static void restart_when_told(void)
{
    double until;
    if (!host.reboots) {
        return;
    }
    host.reboots = false;
    for (until = oscillator_us() + DARK_US; oscillator_us() < until && !told_to_end;) {
        poll(NULL, 0, IDLE_MS);
    }
    host.heard_at = host.heard_count = 0;
    while (read(host.master, host.heard, sizeof host.heard) > 0) {
    } /* it was deaf */
    host.boots++;
    host.boot_us = oscillator_us();
    cable_board_boot(&board);
}

static void sample_what_is_due(void)
{
    while (host.rate_hz > 0 && due_us() <= oscillator_us()) {
        cable_board_sample(&board, ticks(due_us()));
        host.sampled++;
        cable_board_step(&board); /* a process that was held up has many to catch up with */
    }
}

static void run(bool until_eof)
{
    struct pollfd waits[2];
    host.boot_us = oscillator_us();
    cable_board_boot(&board);
    while (!told_to_end) {
        sample_what_is_due();
        while (cable_board_step(&board)) {
        }
        restart_when_told();
        waits[0].fd = host.master;
        waits[0].events = (short)(POLLIN | (host.line_full ? POLLOUT : 0));
        waits[1].fd = until_eof ? STDIN_FILENO : -1;
        waits[1].events = POLLIN;
        waits[0].revents = waits[1].revents = 0;
        poll(waits, 2, host.rate_hz > 0 ? WAIT_MS : IDLE_MS);
        if (waits[1].revents != 0 && read(STDIN_FILENO, host.heard, 1) == 0) {
            return;
        }
    }
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: cable-board [--link PATH] [--rate HZ] [--channels 1-4] [--ppm X] [--signal lift|ramp|rest] [--seed N]\n"
        "                   [--until-eof]\n"
    );
    return 2;
}

int main(int count, char **words)
{
    const char *link = NULL, *device;
    double ppm = 0.0;
    bool until_eof = false;
    struct timespec now;
    int k, result;
    clock_gettime(CLOCK_MONOTONIC, &now);
    host.on_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    host.seed = (uint32_t)now.tv_nsec ^ (uint32_t)getpid() << 16;
    for (k = 1; k < count; k++) {
        const char *value = k + 1 < count ? words[k + 1] : NULL;
        if (strcmp(words[k], "--until-eof") == 0) {
            until_eof = true;
            continue;
        }
        if (value == NULL) {
            return usage();
        }
        k++;
        if (strcmp(words[k - 1], "--link") == 0) {
            link = value;
        } else if (strcmp(words[k - 1], "--rate") == 0 && atoi(value) >= 1 && atoi(value) <= FASTEST_HZ) {
            description.rate_hz = (uint16_t)atoi(value);
        } else if (strcmp(words[k - 1], "--channels") == 0 && atoi(value) >= 1 && atoi(value) <= 4) {
            description.channels = (uint8_t)atoi(value);
        } else if (strcmp(words[k - 1], "--ppm") == 0) {
            ppm = atof(value);
        } else if (strcmp(words[k - 1], "--seed") == 0) {
            host.seed = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(words[k - 1], "--signal") == 0 && strcmp(value, "ramp") == 0) {
            host.shape = RAMP;
        } else if (strcmp(words[k - 1], "--signal") == 0 && strcmp(value, "lift") == 0) {
            host.shape = LIFT;
        } else if (strcmp(words[k - 1], "--signal") == 0 && strcmp(value, "rest") == 0) {
            host.shape = REST;
        } else {
            return usage();
        }
    }
    host.rate = 1.0 + ppm * 1e-6;
    signal(SIGINT, end);
    signal(SIGTERM, end);
    result = open_terminal();
    device = result == 0 ? ptsname(host.master) : NULL;
    if (device != NULL && link != NULL) {
        result = point(link, device);
    }
    if (device != NULL && result == 0) {
        printf("%s\n", link != NULL ? link : device);
        fflush(stdout);
        run(until_eof);
        if (link != NULL) {
            unpoint(link, device);
        }
    }
    return result;
}
