/* The block that the RP2350's boot ROM looks for: a secure Arm image (datasheet, 5.9.5.1). */
#include <stdint.h>

extern const uint32_t eq_image_def[5];

const uint32_t eq_image_def[5] __attribute__((section(".image_def"), used)) = {
    0xFFFFDED3U, /* start */
    0x10210142U, /* image type: executable, secure, Arm, RP2350 */
    0x000001FFU, /* last item */
    0x00000000U, /* no further block */
    0xAB123579U, /* end */
};
