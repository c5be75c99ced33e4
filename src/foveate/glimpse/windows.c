// Native reader of glimpses: sums the pixels of every window over blocks, in one pass over the image.
//
// Macros describe a sensor and a type of image, so that the compiler knows the length of every loop that is not
// clipped: H and W are the height and width of a patch, PIXEL is the type of a pixel, SUM holds the sum of a column of a
// block, TOTAL that of a whole block, and WHITE is the pixel that a patch shows as 1. Bytes are summed as integers, which
// is exact for blocks of up to 256 x 256 pixels.

#include <stdint.h>
#include <string.h>

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Read one patch: means over blocks of `side` x `side` pixels of the window whose first pixel is (x, y). The plane begins
// `plane` pixels into the memory of `length` pixels. A row that reaches beyond the plane, but not beyond the memory, is
// read whole; its pixels outside the plane are cleared afterwards.
static inline __attribute__((always_inline)) void look(
    const PIXEL *memory, int64_t length, int64_t plane, int64_t pitch, int64_t height, int64_t width,
    int64_t x, int64_t y, const int64_t side, float *patch)
{
    const int64_t wide = W * side, left = least(most(0, -x), wide), right = most(left, least(wide, width - x));
    for (int64_t row = 0; row < H; row++, y += side, patch += W) {
        SUM sums[wide];
        TOTAL blocks[W];
        memset(sums, 0, sizeof sums);
        memset(blocks, 0, sizeof blocks);
        for (int64_t line = most(0, y); line < least(height, y + side); line++) {
            const int64_t run = plane + line * pitch + x;
            if (0 <= run && run + wide <= length)
                for (int64_t j = 0; j < wide; j++) sums[j] += memory[run + j];
            else
                for (int64_t j = left; j < right; j++) sums[j] += memory[run + j];
        }
        memset(sums, 0, left * sizeof *sums);
        memset(sums + right, 0, (wide - right) * sizeof *sums);
        for (int64_t k = 0; k < side; k++)
            for (int64_t j = 0; j < W; j++) blocks[j] += sums[j * side + k];
        for (int64_t j = 0; j < W; j++) patch[j] = (float)blocks[j] / (WHITE * side * side);
    }
}

// Read the glimpse at each of `batch` locations. `corner` (batch, depth, 2) holds the first pixel (x, y) of every window;
// location i looks at image i modulo their number. `shape` and `stride` describe the images, in pixels.
void read_windows(const PIXEL *image, const int64_t *shape, const int64_t *stride, const int64_t *corner,
                  int64_t batch, int64_t depth, int64_t threads, float *glimpse)
{
    const int64_t channels = shape[1];
    int64_t length = 1;
    for (int axis = 0; axis < 4; axis++) length += (shape[axis] - 1) * stride[axis];
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t at = 0; at < batch; at++)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t channel = 0; channel < channels; channel++) {
                const int64_t *xy = corner + 2 * (at * depth + k);
                const int64_t plane = at % shape[0] * stride[0] + channel * stride[1];
                float *patch = glimpse + ((at * depth + k) * channels + channel) * H * W;
#define LOOK(side) look(image, length, plane, stride[2], shape[2], shape[3], xy[0], xy[1], side, patch)
                switch (k) {  // constants for the usual sides
                case 0: LOOK(1); break;
                case 1: LOOK(2); break;
                case 2: LOOK(4); break;
                case 3: LOOK(8); break;
                default: LOOK((int64_t)1 << k);
                }
            }
}
